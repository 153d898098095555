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

from rich.console import Console

from benchmarks.environment import environment
from benchmarks.study import estimate
from benchmarks.study.cells import StudyCell, cells
from benchmarks.study.client import PROGRAM
from benchmarks.study.cores import core_left_free, usable_cores
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
from benchmarks.study.progress import progress
from benchmarks.study.reading import StudyPlan, plan
from benchmarks.study.runner import LeftBehind, Runner
from benchmarks.study.yaml_text import StudyError
from benchmarks.words import counted, readable_time
from common.command_line import Parser

MEASURED, FAILED, UNUSABLE, VOID, INTERRUPTED = 0, 1, 2, 3, 130
SHARED_START = (
    "share_service: cells after the first find its caches warm; results say so only here and in "
    "study.json (the setting prefix_caching: false leaves the prefix cache out)"
)


def main(arguments: Sequence[str] | None = None, program: Sequence[str] = PROGRAM) -> int:
    """Returns the exit status. `program` is the command line of the load client."""
    options = _options(arguments)
    try:
        study = plan(options.file)
        every = cells(study)
        out: Path = options.out or Path("studies") / options.file.stem
        if options.dry_run:
            before = load(out)
            _show(study, every, before.cells if before is not None else ())
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
    notes = _dropped(before, manifest)
    console = Console(stderr=True)
    with progress(console) as display, core_left_free(study.study.pinned) as core:
        for sentence in (*notes, *_notes(study, manifest, todo)):
            display.note(sentence)
        runner = Runner(study, manifest, todo, out, display, program, core)
        interrupted = asyncio.run(_until_signal(runner))
    entries = runner.entries
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


def _dropped(before: Manifest | None, now: Manifest) -> list[str]:
    ids = {one.id for one in now.cells}
    gone = [one.id for one in (before.cells if before is not None else ()) if one.id not in ids]
    if not gone:
        return []
    return [f"no longer in the study, but still in the folder: {', '.join(gone)}"]


def _notes(study: StudyPlan, manifest: Manifest, todo: Sequence[StudyCell]) -> list[str]:
    """Returns what a person should know before it starts."""
    count = counted(len(manifest.cells), "cell")
    notes = [f"{manifest.name}: {count}, {len(todo)} to measure"]
    skipped = [one for one in manifest.cells if one.status in (Status.FAILED, Status.VOID)]
    waiting = {cell.id for cell in todo}
    kept = [one.id for one in skipped if one.id not in waiting]
    if kept:
        are, stay = ("is", "stays") if len(kept) == 1 else ("are", "stay")
        notes.append(
            f"{counted(len(kept), 'cell')} failed or {are} void and {stay} so without "
            "--retry-failed: " + ", ".join(kept)
        )
    if study.study.pinned and len(usable_cores()) < 2:
        notes.append("warning: pinned has no effect: there is one core for all")
    commits = {start.environment.commit for start in manifest.starts}
    if len(commits) > 1:
        notes.append("warning: this study goes on with another commit than it was begun with")
    return [*notes, *_warm(study)]


def _warm(study: StudyPlan) -> list[str]:
    """Returns notes on those whose caches know the prompts of the cells before."""
    names = [t.name for t in study.study.backends if t.url is not None and t.reset_cache is None]
    notes = [SHARED_START] if study.study.share_service else []
    if names:
        notes.append(
            f"{', '.join(names)}: nobody starts it anew, so its prefix cache may be warm from cell "
            "to cell ('reset_cache' names the path that empties it)"
        )
    return notes


def _show(study: StudyPlan, every: Sequence[StudyCell], entries: Sequence[CellEntry]) -> None:
    known = {one.id: one for one in entries}
    todo = []
    width = max(len(cell.id) for cell in every)
    for number, cell in enumerate(every, 1):
        before = known.get(cell.id)
        status = before.status if before is not None else Status.PENDING
        changed = before is not None and before.hash != cell.hash
        if changed or status not in FINISHED:
            todo.append(cell)
        note = ", with another study file" if changed and status in FINISHED else ""
        print(f"{number:>4}  {cell.id:<{width}}  {status}{note}")
    blocks = estimate.blocks(todo, share_service=study.study.share_service)
    starts = sum(block[0].target.url is None for block in blocks)
    load_seconds = sum(cell.spec.duration for cell in todo)
    print(
        f"{counted(len(every), 'cell')}, {len(todo)} to measure: {readable_time(load_seconds)} of "
        f"load, {starts} starts of a service; about "
        f"{readable_time(estimate.seconds(blocks, entries))} in all, where a start that was "
        f"never seen counts {estimate.START_GUESS:.0f} s"
    )
    for note in _warm(study):
        print(note)


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
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
