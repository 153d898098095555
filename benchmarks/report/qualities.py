"""What weighs beside speed, as each backend declares it itself."""

from collections.abc import Iterable

from benchmarks.report.tables import Table
from common.plan.tables import table
from services.__main__ import backends, load

HEAD = (
    "backend", "release", "interface", "quantization", "hardware", "compile step",
    "run on a CPU here", "run on a GPU here",
)  # fmt: skip


def qualities(measured: Iterable[str]) -> Table:
    """Of the backends of this repository that were measured; others declare nothing."""
    known = [name for name in backends() if name in {each.split(" ")[0] for each in measured}]
    return Table("What else weighs", HEAD, tuple(_row(name) for name in known))


def _row(name: str) -> tuple[str, ...]:
    _, engine = load(name)
    tested = engine.tested
    told = (name, f"{engine.title} {engine.release}", engine.interface)
    runs = (tested.cpu or "not yet", tested.gpu or "not yet")
    if not engine.loads_weights:
        return (*told, "no weights", "any", "none", *runs)
    rows = table(engine.name, engine.title)
    schemes = [row.name for row in rows.schemes if row.how not in ("never", "as stored")]
    hardware = f"NVIDIA GPUs of compute capability {rows.minimum:g} on" if rows.minimum else "GPUs"
    return (
        *told,
        ", ".join(dict.fromkeys(schemes)),
        f"{hardware}, CPUs" if rows.cpu else hardware,
        "every model" if rows.compiled else "none",
        *runs,
    )
