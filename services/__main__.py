"""python -m services: lists the backends, their versions, and what was run for real.

--write puts the table into README.md, --gaps prints what each backend refuses and why.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from common.command_line import Parser, text_table
from common.engine import Engine
from common.models.model import DEMO_MODEL, open_model
from common.settings import Settings
from services._backends import backends, installed, load

NEVER = "not yet"
README = Path(__file__).parents[1] / "README.md"
TABLE = re.compile(r"(?<=<!-- backends -->\n).*?(?=<!-- /backends -->)", re.DOTALL)
"""The table in the README."""


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


def markdown(engines: Sequence[type[Engine]]) -> str:
    """Returns the README's table."""
    lines = [
        "| backend | engine and its interface | run on a CPU | run on a GPU | checked against |",
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
    """Write the table into the README."""
    text = README.read_text("utf-8")
    README.write_text(TABLE.sub(lambda _: markdown(engines) + "\n", text), "utf-8")


def gaps(engines: Sequence[type[Engine]]) -> str:
    """Returns a line for each request field that a backend refuses by default."""
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
    targets = [load(backend) for backend in backends()]
    engines = [engine for _, engine in targets]
    if options.write:
        write_table(engines)
        return
    text = gaps(engines) if options.gaps else text_table([HEAD, *(row(*each) for each in targets)])
    print(text)  # noqa: T201


if __name__ == "__main__":
    main()
