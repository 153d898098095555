"""scripts/prove [BACKEND ...]: prove backends on this machine, with a GPU or without.

Each step has a log in proofs/BACKEND, and page.md there says what was seen; proofs/page.md sums up
several backends. Steps that passed at this commit on this machine are not repeated. Without a
BACKEND it is each that can run here. The exit code is 1 when something failed.
"""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from acceptance.machine import code_version, machine
from acceptance.page import row, summary
from acceptance.prove import FOLDER, PAGE, Wish, failed, prove, runs_here
from acceptance.steps import STEPS
from common.command_line import Parser, exit_status, text_table
from services._backends import backends

NAMES = [step.name for step in STEPS]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = Parser(
        prog="scripts/prove",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("backend", nargs="*", metavar="BACKEND", help=", ".join(backends()))
    add("--environment", type=Path, metavar="DIR", help="that has the engine; none is made")
    add("--only", action="append", choices=NAMES, default=[], help="a step, and what it needs")
    add("--select", metavar="EXPRESSION", help="of the contract's tests, those that match")
    add("--again", action="store_true", help="repeat what has passed")
    add("--folder", type=Path, default=FOLDER, metavar="DIR", help="of logs and pages")
    add("--list", action="store_true", help="show the steps")
    options = parser.parse_args(arguments)
    if options.list:
        print(text_table([[step.name, step.title] for step in STEPS]))
        return 0
    if unknown := set(options.backend) - set(backends()):
        parser.error(f"no backend {sorted(unknown)[0]!r}; there are: {', '.join(backends())}")
    python = options.environment and options.environment / "bin" / "python"
    if python is not None and not python.exists():
        parser.error(f"--environment: there is no {python}")
    if python is not None and len(options.backend) != 1:
        parser.error("--environment: it has one engine; name one BACKEND")
    folder = options.folder.absolute()
    wish = Wish(python and python.absolute(), options.only, options.select, options.again, folder)
    return exit_status(lambda: _prove(options.backend, wish))


def _prove(named: Sequence[str], wish: Wish) -> int:
    """Returns 1 where a step of a backend failed that was named, or that this machine can run."""
    # Whatever ends it, the step that runs is ended first and its files are removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    here, rows, wrong = machine(), [], 0
    for backend in named or backends():
        outcomes = prove(backend, here, wish)
        bad = failed(outcomes)
        if not named and not runs_here(outcomes):
            reason = next(each.reasons[0] for each in outcomes.values() if each.reasons)
            result = f"cannot run here: {reason}"
        else:
            wrong += bool(bad)
            result = f"not passed: {', '.join(bad)}" if bad else "all passed"
        rows.append(row(backend, result, outcomes))
        print(f"{backend}: {result}; see {wish.folder / backend / PAGE}", flush=True)
    if len(rows) > 1:
        (wish.folder / PAGE).write_text(summary(here, code_version(), rows), "utf-8")
        print(f"all of them: {wish.folder / PAGE}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
