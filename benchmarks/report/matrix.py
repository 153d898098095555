"""Backends by load at one look: who leads, who is not told apart, and what is missing, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from benchmarks.report.cells import Cell, Group, level_name
from benchmarks.report.controls import competes
from benchmarks.report.figures import percentile_medians
from benchmarks.report.metrics import RATE, TTFT, Metric
from benchmarks.report.ranking import UNRANKED_FAILURES, failed_share, ranked
from benchmarks.report.wording import number, range_words

MAX_REASON = 60
"""Characters of a reason in a cell; the whole of it stands further down."""


class Standing(StrEnum):
    """How a cell stands to the others at its load; the values are classes of the page's CSS."""

    LEADER = "leader"
    TIE = "tie"
    BEHIND = "behind"
    CONTROL = "control"
    ABSENT = "absent"


@dataclass(frozen=True)
class MatrixCell:
    """A figure, what is around it, and remarks such as "2 of 3"."""

    figure: str
    around: str
    standing: Standing
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Matrix:
    """A row of cells for each backend, a column for each level of load."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[MatrixCell, ...]], ...]


def matrices(group: Group, worse: Mapping[str, str]) -> list[Matrix]:
    """Returns that of the token rate and that of the first token; controls are the last rows."""
    return [
        _matrix(group, RATE, "Tokens per second, all users together", worse),
        _matrix(group, TTFT, "First token: p50, below it p99, ms", worse),
    ]


def _matrix(group: Group, metric: Metric, title: str, worse: Mapping[str, str]) -> Matrix:
    levels = sorted({cell.level for cell in group.cells})
    by_place = {(cell.backend, cell.level): cell for cell in group.cells}
    leaders = {level: _leaders(group.cells_at(level), metric) for level in levels}
    controls = {cell.backend for cell in group.cells if not competes(cell)}
    names = sorted(
        {cell.backend for cell in group.cells}, key=lambda name: (name in controls, name)
    )
    rows = []
    for name in names:
        cells = (by_place.get((name, level)) for level in levels)
        row = (
            _cell(cell, metric, leaders[level]) for cell, level in zip(cells, levels, strict=True)
        )
        rows.append((_row_name(name, controls, worse), tuple(row)))
    return Matrix(title, tuple(level_name(level, group.unit) for level in levels), tuple(rows))


def _row_name(name: str, controls: set[str], worse: Mapping[str, str]) -> str:
    if name in controls:
        return f"{name} (control)"
    return f"{name} (worse answers)" if name in worse else name


def _leaders(cells: Sequence[Cell], metric: Metric) -> set[str]:
    """Returns who is not shown to be behind anybody; nobody leads alone."""
    ranks = ranked(cells, metric)
    return {each.backend for each in ranks[0]} if sum(map(len, ranks)) > 1 else set()


def _cell(cell: Cell | None, metric: Metric, leaders: set[str]) -> MatrixCell:
    if cell is None:
        return MatrixCell("–", "", Standing.ABSENT)
    spread = cell.spread(metric)
    if spread is None:
        return MatrixCell(*_absence(cell), Standing.ABSENT)
    return MatrixCell(
        number(spread.median),
        _p99(cell) if metric is TTFT else range_words(spread),
        _standing(cell, leaders),
        tuple(_remarks(cell)),
    )


def _standing(cell: Cell, leaders: set[str]) -> Standing:
    if not competes(cell):
        return Standing.CONTROL
    if cell.backend not in leaders:
        return Standing.BEHIND
    return Standing.LEADER if len(leaders) == 1 else Standing.TIE


def _absence(cell: Cell) -> tuple[str, str]:
    """Returns why there is no figure: in a word, and in the words of the study."""
    reasons = [(each.status, each.reason or "") for each in cell.missing]
    reasons += [("void", ", ".join(run.result.verdict.reasons)) for run in cell.void]
    word, whole = reasons[0] if reasons else ("none", "its requests brought no such figure")
    reason = whole.partition(";")[0]
    return word, reason if len(reason) <= MAX_REASON else f"{reason[:MAX_REASON].rstrip()} …"


def _remarks(cell: Cell) -> list[str]:
    remarks = []
    if len(cell.valid) < cell.planned:
        remarks.append(f"{len(cell.valid)} of {cell.planned}")
    if cell.other_sessions:
        remarks.append("other time")
    if (share := failed_share(cell)) > UNRANKED_FAILURES:
        remarks.append(f"{share:.0%} failed: unranked")
    return remarks


def _p99(cell: Cell) -> str:
    p99 = percentile_medians(cell, "ttft").get("p99")
    return "" if p99 is None else number(p99)
