"""Compare backends as a YAML file says; the same command again goes on where it stopped.

Exit status: 0 when every cell is measured, 3 when some are void because the client was the
bottleneck, 1 when some failed, 2 for a study file that cannot be run, 130 after Ctrl-C.
"""

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.environment import environment
from benchmarks.study.announcement import check_needs, dropped, notes_before, show
from benchmarks.study.cell import StudyCell
from benchmarks.study.cells import cells
from benchmarks.study.client import PROGRAM
from benchmarks.study.cores import core_left_free
from benchmarks.study.fairness import fairness_notes
from benchmarks.study.manifest import (
    FINISHED,
    CellEntry,
    Manifest,
    RunnerStart,
    Status,
    entry,
    load,
    merged,
    only_one,
    text_hash,
)
from benchmarks.study.progress import StudyProgress
from benchmarks.study.reading import StudyPlan, plan
from benchmarks.study.runner import LeftBehind, Runner
from benchmarks.study.yaml_text import StudyError
from common.command_line import Parser

MEASURED, FAILED, UNUSABLE, VOID, INTERRUPTED = 0, 1, 2, 3, 130


def main(arguments: Sequence[str] | None = None, program: Sequence[str] = PROGRAM) -> int:
    """Returns the exit status. `program` is the command line of the load client."""
    options = _options(arguments)
    try:
        study = plan(options.file)
        every = cells(study)
        out: Path = options.out or Path("studies") / options.file.stem
        if options.dry_run:
            before = load(out)
            entries = before.cells if before is not None else ()
            show(study, every, entries, out, options.hours)
            return MEASURED
        with only_one(out):
            return _run(study, every, out, options, program)
    except StudyError as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        return UNUSABLE
    except OSError as error:
        print(
            f"error: {error.filename or options.out}: {error.strerror}; what was measured is kept, "
            "and the same command goes on",
            file=sys.stderr,
        )
        return FAILED
    except LeftBehind as error:
        print(f"error: {error}; free it, and the same command goes on", file=sys.stderr)
        return FAILED


def _run(
    study: StudyPlan,
    every: Sequence[StudyCell],
    out: Path,
    options: argparse.Namespace,
    program: Sequence[str],
) -> int:
    # What it has to say of services that it inspects is of no use to the reader of a study.
    logging.getLogger("bentoml").setLevel(logging.ERROR)
    before = load(out)
    manifest, todo = _resumed(study, every, before, options)
    if not options.anyway:
        check_needs(study, todo, manifest.cells, out, options.hours)
    notes = dropped(before, manifest)
    display = StudyProgress()
    with core_left_free(study.study.pinned) as core:
        for sentence in (*notes, *notes_before(study, manifest, todo)):
            display.note(sentence)
        runner = Runner(study, manifest, todo, out, display, program, core)
        interrupted = asyncio.run(_until_signal(runner))
    entries = runner.entries
    for sentence in fairness_notes(entries, out):
        display.note(sentence)
    print(_summary(entries, out), file=sys.stderr)
    return interrupted or _status(entries)


async def _until_signal(runner: Runner) -> int:
    """Returns 0, or the exit status of a process that ended by the signal that came."""
    came: list[int] = []
    task = asyncio.ensure_future(runner.run())

    def stop(number: int) -> None:
        came.append(number)
        task.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop, number)
    with suppress(asyncio.CancelledError):
        await task
    return 128 + came[0] if came else 0


def _resumed(
    study: StudyPlan,
    every: Sequence[StudyCell],
    before: Manifest | None,
    options: argparse.Namespace,
) -> tuple[Manifest, list[StudyCell]]:
    """Returns what is known by now, and the cells that are to be measured."""
    entries = merged(
        [entry(cell) for cell in every],
        before.cells if before is not None else (),
        replace=options.replace,
    )
    again = (Status.FAILED, Status.VOID) if options.retry_failed else ()
    done = {one.id for one in entries if one.status in FINISHED and one.status not in again}
    start = RunnerStart(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        command=("python", "-m", "benchmarks.study", *_words(options)),
        environment=environment(),
    )
    manifest = Manifest(
        name=study.study.name,
        file=study.text.file.name,
        text=study.text.source,
        hash=text_hash(study.text.source),
        order=study.study.order,
        seed=study.study.seed,
        share_service=study.study.share_service,
        starts=(*(before.starts if before is not None else ()), start),
        cells=entries,
    )
    return manifest, [cell for cell in every if cell.id not in done]


def _summary(entries: Sequence[CellEntry], out: Path) -> str:
    counts = {status: sum(one.status is status for one in entries) for status in Status}
    summary = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    return f"{summary}; report: python -m benchmarks.report {out}"


def _status(entries: Sequence[CellEntry]) -> int:
    statuses = {one.status for one in entries}
    if statuses <= {Status.OK}:
        return MEASURED
    return VOID if statuses <= {Status.OK, Status.VOID} else FAILED


def _words(options: argparse.Namespace) -> list[str]:
    """Returns its own command line, to repeat it."""
    words = [options.file.name]
    words += ["--retry-failed"] if options.retry_failed else []
    words += ["--anyway"] if options.anyway else []
    return words + (["--replace"] if options.replace else [])


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog="python -m benchmarks.study",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, metavar="FILE.yaml", help="see benchmarks/studies/")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="default: studies/NAME OF FILE")
    parser.add_argument("--dry-run", action="store_true", help="print the cells and the time")
    parser.add_argument(
        "--retry-failed", action="store_true", help="measure failed and void cells again"
    )
    parser.add_argument(
        "--replace",
        action="store_true",
        help="measure again what was measured with another study file",
    )
    parser.add_argument(
        "--hours", type=float, metavar="N", help="the time that there is: a longer study is refused"
    )
    parser.add_argument(
        "--anyway", action="store_true", help="start although there is too little of something"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
