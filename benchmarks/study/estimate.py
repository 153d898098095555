"""How long a study will take, from what its cells have taken so far."""

import statistics
from collections.abc import Sequence

from benchmarks.study.cells import Cell
from benchmarks.study.manifest import Entry, Status

START_GUESS = 60.0
"""Seconds of a start of which none has been seen."""
AROUND_GUESS = 10.0
"""Seconds of a client beside its duration: its start, warm-up, drain and samples."""
MINUTE, HOUR = 60, 3600


def blocks(cells: Sequence[Cell], *, share_service: bool) -> list[list[Cell]]:
    """Cells that follow each other on one start of their service."""
    made: list[list[Cell]] = []
    for cell in cells:
        if share_service and made and made[-1][0].service == cell.service:
            made[-1].append(cell)
        else:
            made.append([cell])
    return made


def seconds(
    todo: Sequence[Sequence[Cell]], entries: Sequence[Entry], *, started: bool = False
) -> float:
    """For the blocks `todo`; what is unknown is guessed. `started`: the first one's service is."""
    measured = [entry for entry in entries if entry.status in (Status.OK, Status.VOID)]
    around = [
        max(entry.seconds - float(entry.content["load"]["duration"]), 0.0)
        for entry in measured
        if entry.seconds is not None
    ]
    beside = statistics.median(around) if around else AROUND_GUESS
    starts = sum(_start(block[0], measured) for block in todo[1 if started else 0 :])
    return starts + sum(cell.load.duration + beside for block in todo for cell in block)


def _start(cell: Cell, measured: Sequence[Entry]) -> float:
    if cell.target.backend is None:
        return 0.0
    every = [e for e in measured if e.start_seconds]
    own = [e for e in every if e.backend == cell.target.name and e.model == cell.model.name]
    seen = [e.start_seconds for e in own or every if e.start_seconds is not None]
    return statistics.median(seen) if seen else START_GUESS


def readable(seconds: float) -> str:
    if seconds < MINUTE:
        return f"{seconds:.0f} s"
    if seconds < HOUR:
        return f"{seconds / MINUTE:.0f} min"
    return f"{seconds // HOUR:.0f} h {seconds % HOUR // MINUTE:.0f} min"
