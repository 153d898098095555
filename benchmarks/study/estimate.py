"""How long a study will take, from what its cells have taken so far."""

import statistics
from collections.abc import Sequence

from benchmarks.study.cell import LoadCell, StudyCell
from benchmarks.study.manifest import CellEntry, Status

START_GUESS = 60.0
"""Seconds of a start of which none has been seen."""
QUALITY_GUESS = 60.0
"""Seconds of the tasks of quality of which none have been seen."""
AROUND_GUESS = 10.0
"""Seconds of a client beside its duration: its start, warm-up, drain and samples."""


def blocks(cells: Sequence[StudyCell], *, share_service: bool) -> list[list[StudyCell]]:
    """Returns the cells in groups that follow each other on one start of their service."""
    groups: list[list[StudyCell]] = []
    for cell in cells:
        if share_service and groups and groups[-1][0].service == cell.service:
            groups[-1].append(cell)
        else:
            groups.append([cell])
    return groups


def seconds(
    todo: Sequence[Sequence[StudyCell]], entries: Sequence[CellEntry], *, started: bool = False
) -> float:
    """Returns how long the blocks `todo` will take; what is unknown is guessed. `started` is
    whether the first one's service is."""
    measured = [entry for entry in entries if entry.status in (Status.OK, Status.VOID)]
    around = [
        max(entry.seconds - float(entry.content["load"]["duration"]), 0.0)
        for entry in measured
        if entry.seconds is not None and not entry.of_quality and not entry.of_sweep
    ]
    seen = [e.seconds for e in measured if e.of_quality and e.seconds is not None]
    tasks = statistics.median(seen) if seen else QUALITY_GUESS
    beside = statistics.median(around) if around else AROUND_GUESS
    starts = sum(_start(block[0], measured) for block in todo[1 if started else 0 :])
    return starts + sum(
        cell.most_seconds + beside * cell.most_seconds / cell.spec.duration
        if isinstance(cell, LoadCell)
        else tasks
        for block in todo
        for cell in block
    )


def _start(cell: StudyCell, measured: Sequence[CellEntry]) -> float:
    if cell.target.url is not None:
        return 0.0
    every = [e for e in measured if e.start_seconds]
    own = [e for e in every if e.backend == cell.target.name and e.model == cell.model.name]
    seen = [e.start_seconds for e in own or every if e.start_seconds is not None]
    return statistics.median(seen) if seen else START_GUESS
