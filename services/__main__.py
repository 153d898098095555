"""python -m services: the backends, their versions, and what was run for real.

--write puts the table into README.md, --gaps prints what each backend refuses and why.
"""

import importlib
import importlib.util
import re
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path

from common.command_line import Parser
from common.engine import Engine
from common.models.model import DEMO_MODEL, open_model
from common.settings import Settings

NEVER = "not yet"
README = Path(__file__).parents[1] / "README.md"
TABLE = re.compile(r"(?<=<!-- backends -->\n).*?(?=<!-- /backends -->)", re.DOTALL)
"""Where the README's table stands."""


def backends() -> list[str]:
    """The modules of this folder, by name."""
    here = Path(__file__).parent
    return sorted(file.stem for file in here.glob("*.py") if not file.stem.startswith("_"))


def load(backend: str) -> tuple[str, type[Engine]]:
    """What `bentoml serve` is given, and the engine class behind it; imports no engine."""
    with warnings.catch_warnings(action="ignore"):
        from common.service.bento_service import LLMService

        module = importlib.import_module(f"services.{backend}")
    (found,) = (
        (name, value.engine)
        for name, value in vars(module).items()
        if isinstance(value, LLMService)
    )
    return f"services.{backend}:{found[0]}", found[1]


def installed(engine: type[Engine]) -> bool:
    """Whether the package and the program that it needs are there."""
    if engine.package is not None and importlib.util.find_spec(engine.package) is None:
        return False
    return engine.binary is None or shutil.which(engine.binary) is not None


def row(target: str, engine: type[Engine]) -> list[str]:
    tested = engine.tested
    return [
        engine.name,
        target,
        f"{engine.title} {engine.release}",
        "yes" if installed(engine) else "no",
        tested.cpu or NEVER,
        tested.gpu or NEVER,
        tested.contract or "",
    ]


HEAD = ["backend", "service", "engine", "installed", "run on CPU", "run on GPU", "checked against"]


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they need to be."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        for cells in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def markdown(engines: Sequence[type[Engine]]) -> str:
    """The README's table."""
    lines = [
        "| backend | engine | run on a CPU | run on a GPU | calls checked against |",
        "|---|---|---|---|---|",
    ]
    for engine in engines:
        tested = engine.tested
        lines.append(
            f"| `{engine.name}` | {engine.title} {engine.release}, {engine.interface} "
            f"| {tested.cpu or NEVER} | {tested.gpu or NEVER} | {tested.contract or ''} |"
        )
    return "\n".join(lines)


def write_table(engines: Sequence[type[Engine]]) -> None:
    """Put the table in its place in the README."""
    text = README.read_text("utf-8")
    README.write_text(TABLE.sub(lambda _: markdown(engines) + "\n", text), "utf-8")


def gaps(engines: Sequence[type[Engine]]) -> str:
    """One line for each request field that a backend refuses by default."""
    settings = Settings()
    model = open_model(settings, DEMO_MODEL)
    return "\n".join(
        f"{engine.name}: {field}: {reason}"
        for engine in engines
        for field, reason in sorted(engine(settings, model).gaps().items())
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = Parser(prog="python -m services", description=__doc__)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--write", action="store_true", help="put the table into README.md")
    form.add_argument(
        "--gaps", action="store_true", help="request fields that are refused, and why"
    )
    options = parser.parse_args(arguments)
    found = [load(backend) for backend in backends()]
    engines = [engine for _, engine in found]
    if options.write:
        write_table(engines)
        return
    text = gaps(engines) if options.gaps else table([HEAD, *(row(*each) for each in found)])
    print(text)  # noqa: T201


if __name__ == "__main__":
    main()
