"""python -m services: lists the backends, their versions, and what was run for real.

Below the list it says what the machine lacks for those that are installed.

--write puts the tables into README.md and docs/parallel.md, --gaps prints what each backend refuses
and why, --check says whether this machine has what one backend needs.
"""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from common.command_line import Parser, exit_status, text_table
from common.engine import Engine
from common.errors import StartError
from common.machine import find_program, lacks
from common.models.model import DEMO_MODEL, open_model
from common.settings import Settings
from common.speculative import METHODS
from services._backends import backends, installed, load
from services._proofs import Kind, read_proofs

NEVER = "not yet"
ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PARALLEL = ROOT / "docs" / "parallel.md"
PARALLEL_SETTINGS = (
    *("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size", "expert_parallel"),
    *("speculative", "kv_offload"),
)
"""The columns of the table in docs/parallel.md."""
BEGIN, END = "<!-- backends -->\n", "<!-- /backends -->"
"""Around the table in both files."""
TABLE = re.compile(rf"(?<={BEGIN}).*?(?={END})", re.DOTALL)


def run_on(engine: type[Engine], kind: Kind) -> str:
    """Returns where the engine was run, by its proof on such a machine, else by its class."""
    proof = read_proofs(engine.name).get(kind)
    return getattr(engine.tested, kind) or NEVER if proof is None else proof.cell(engine.release)


def row(target: str, engine: type[Engine]) -> list[str]:
    return [
        engine.name,
        target,
        f"{engine.title} {engine.release}",
        "yes" if installed(engine) else "no",
        run_on(engine, "cpu"),
        run_on(engine, "gpu"),
        engine.tested.contract or "",
    ]


HEAD = ["backend", "service", "engine", "installed", "run on CPU", "run on GPU", "checked against"]


def markdown(engines: Sequence[type[Engine]]) -> str:
    """Returns the README's table."""
    lines = [
        "| backend | engine and its interface | run on a CPU | run on a GPU | checked against |",
        "|---|---|---|---|---|",
    ]
    for engine in engines:
        lines.append(
            f"| `{engine.name}` | {engine.title} {engine.release}, {engine.interface} "
            f"| {run_on(engine, 'cpu')} | {run_on(engine, 'gpu')} "
            f"| {engine.tested.contract or ''} |"
        )
    return "\n".join(lines)


def parallel_markdown(engines: Sequence[type[Engine]]) -> str:
    """Returns the table of docs/parallel.md, then why each setting is refused that is."""
    loading = [engine for engine in engines if engine.loads_weights]
    lines = [
        f"| backend | {' | '.join(f'`{name}`' for name in PARALLEL_SETTINGS)} |",
        f"|---|{'---|' * len(PARALLEL_SETTINGS)}",
    ]
    for engine in loading:
        cells = (_parallel_cell(engine, name) for name in PARALLEL_SETTINGS)
        lines.append(f"| `{engine.name}` | {' | '.join(cells)} |")
    reasons: dict[tuple[str, str], list[str]] = {}
    for engine in loading:
        for name, reason in engine.unsupported_settings.items():
            if name.partition("=")[0] in PARALLEL_SETTINGS:
                reasons.setdefault((engine.name, reason), []).append(f"`{name}`")
    said = (f"- `{backend}`, {', '.join(n)}: {why}" for (backend, why), n in reasons.items())
    return "\n".join([*lines, "", *said])


def _parallel_cell(engine: type[Engine], setting: str) -> str:
    refused = engine.unsupported_settings
    if setting in refused:
        return "no"
    if setting != "speculative":
        return "yes"
    return ", ".join(f"`{each}`" for each in METHODS if f"speculative={each}" not in refused)


def write_tables(engines: Sequence[type[Engine]]) -> None:
    """Write the tables into their files."""
    for file, made in ((README, markdown), (PARALLEL, parallel_markdown)):
        before, mark, rest = file.read_text("utf-8").partition(BEGIN)
        file.write_text(f"{before}{mark}{made(engines)}\n{END}{rest.partition(END)[2]}", "utf-8")


def gaps(engines: Sequence[type[Engine]]) -> str:
    """Returns a line for each request field that a backend refuses by default."""
    settings = Settings()
    model = open_model(settings, DEMO_MODEL)
    return "\n".join(
        f"{engine.name}: {field}: {reason}"
        for engine in engines
        for field, reason in sorted(engine(settings, model).all_gaps().items())
    )


def lacking(engines: Sequence[type[Engine]]) -> list[str]:
    """Returns a line for each thing that the machine lacks for an installed engine."""
    settings = Settings()
    return [
        f"{engine.name}: {lack}"
        for engine in filter(installed, engines)
        for lack in lacks(engine.needed(settings), settings)
    ]


def check(engine: type[Engine]) -> None:
    """Raises StartError for what this machine lacks to run the engine."""
    engine.check_here(Settings())
    if engine.binary is not None:
        image = f"run the service in the image that bentos/{engine.name}/README.md names"
        find_program(engine.binary, None, image)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = Parser(prog="python -m services", description=__doc__)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--write", action="store_true", help="put the tables into their files")
    form.add_argument(
        "--gaps", action="store_true", help="request fields that are refused, and why"
    )
    form.add_argument("--check", choices=backends(), metavar="BACKEND", help="what it lacks here")
    options = parser.parse_args(arguments)
    if options.check is not None:
        return exit_status(lambda: check(load(options.check)[1]), StartError)
    targets = [load(backend) for backend in backends()]
    engines = [engine for _, engine in targets]
    if options.write:
        write_tables(engines)
        return 0
    if options.gaps:
        lines = [gaps(engines)]
    else:
        lines = [text_table([HEAD, *(row(*each) for each in targets)]), *lacking(engines)]
    print(*lines, sep="\n")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
