"""What a person reads of a study before it starts: its cells, its needs, and what to beware of."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.study import estimate
from benchmarks.study.cell import LoadCell, StudyCell
from benchmarks.study.cores import usable_cores
from benchmarks.study.manifest import FINISHED, CellEntry, Manifest, Status
from benchmarks.study.needs import lacks, statement
from benchmarks.study.reading import StudyPlan
from benchmarks.study.yaml_text import StudyError
from benchmarks.words import counted, readable_time

SHARED_START = (
    "share_service: cells after the first find its caches warm, as 'runs_before' in their results "
    "says (the setting prefix_caching: false leaves the prefix cache out)"
)


def dropped(before: Manifest | None, now: Manifest) -> list[str]:
    ids = {one.id for one in now.cells}
    gone = [one.id for one in (before.cells if before is not None else ()) if one.id not in ids]
    if not gone:
        return []
    return [f"no longer in the study, but still in the folder: {', '.join(gone)}"]


def notes_before(study: StudyPlan, manifest: Manifest, todo: Sequence[StudyCell]) -> list[str]:
    """Returns what a person should know before it starts."""
    count = counted(len(manifest.cells), "cell")
    notes = [f"{manifest.name}: {count}, {len(todo)} to measure"]
    notes += [_needs(study, todo, manifest.cells)] if todo else []
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


def check_needs(
    study: StudyPlan,
    todo: Sequence[StudyCell],
    entries: Sequence[CellEntry],
    out: Path,
    hours: float | None,
) -> None:
    """Raises StudyError, with a line for each thing of which there is too little; `hours` is the
    time that there is."""
    lacking = lacks(study.study.needs, todo, _seconds(study, todo, entries), out, hours)
    if todo and lacking:
        ways = "--anyway starts it as it is"
        raise StudyError("\n".join(f"{study.text.file}: {reason}; {ways}" for reason in lacking))


def _seconds(study: StudyPlan, todo: Sequence[StudyCell], entries: Sequence[CellEntry]) -> float:
    share = study.study.share_service
    return estimate.seconds(estimate.blocks(todo, share_service=share), entries)


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


def _needs(study: StudyPlan, todo: Sequence[StudyCell], entries: Sequence[CellEntry]) -> str:
    return statement(study.study.needs, todo, _seconds(study, todo, entries))


def show(
    study: StudyPlan,
    every: Sequence[StudyCell],
    entries: Sequence[CellEntry],
    out: Path,
    hours: float | None,
) -> None:
    """Prints the cells, the time that they will take, what they need, and what of it lacks."""
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
    load_seconds = sum(cell.most_seconds for cell in todo if isinstance(cell, LoadCell))
    print(
        f"{counted(len(every), 'cell')}, {len(todo)} to measure: {_at_most(todo)}"
        f"{readable_time(load_seconds)} of load, {starts} starts of a service; about "
        f"{readable_time(estimate.seconds(blocks, entries))} in all, where a start that was "
        f"never seen counts {estimate.START_GUESS:.0f} s"
    )
    print(_needs(study, todo, entries))
    for lacking in lacks(study.study.needs, todo, _seconds(study, todo, entries), out, hours):
        print(f"lacking: {lacking}")
    for note in _warm(study):
        print(note)


def _at_most(todo: Sequence[StudyCell]) -> str:
    """Returns "at most " where a sweep may need fewer runs than it is allowed."""
    is_open = any(isinstance(cell, LoadCell) and cell.is_sweep for cell in todo)
    return "at most " if is_open else ""
