"""Comparison criteria beside speed: what each backend declares, the rest from criteria.toml."""

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from benchmarks.report.tables import Table
from common.plan.tables import table
from services._backends import backends, load

HEAD = (
    "backend", "release", "interface", "quantization", "hardware", "compile step",
    "run on a CPU here", "run on a GPU here", "licence", "models", "stable releases",
    "documentation", "source of the releases",
)  # fmt: skip
UNDECLARED = ("licence", "models", "stable_releases", "documentation", "source")
FILE = Path(__file__).with_name("criteria.toml")


def criteria(measured: Iterable[str]) -> Table:
    """Returns the criteria of this repository's backends that were measured; no other has any."""
    wanted = {*measured}
    known = [name for name in backends() if name in wanted]
    return Table("What else to weigh", HEAD, tuple(_row(name) for name in known))


def _row(name: str) -> tuple[str, ...]:
    _, engine = load(name)
    tested = engine.tested
    declared = (engine.title, engine.release, engine.interface.replace("`", ""))
    others = undeclared_criteria().get(name, {})
    runs = (
        (tested.cpu or "not yet").replace("`", ""),
        (tested.gpu or "not yet").replace("`", ""),
        *(others.get(each, "") for each in UNDECLARED),
    )
    if not engine.loads_weights:
        return (*declared, "no weights", "any", "none", *runs)
    rows = table(engine.name, engine.title)
    schemes = [row.name for row in rows.schemes if row.how not in ("never", "as stored")]
    hardware = f"NVIDIA GPUs of compute capability {rows.minimum:g} on" if rows.minimum else "GPUs"
    return (
        *declared,
        ", ".join(dict.fromkeys(schemes)),
        f"{hardware}, CPUs" if rows.cpu else hardware,
        "every model" if rows.compiled else "none",
        *runs,
    )


@cache
def undeclared_criteria() -> Mapping[str, Mapping[str, str]]:
    """Returns by backend what no service declares."""
    return tomllib.loads(FILE.read_text("utf-8"))
