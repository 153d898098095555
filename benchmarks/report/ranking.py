"""Backends in the order of a metric, told apart only where their spreads show a difference."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from benchmarks.report.cells import Cell
from benchmarks.report.controls import competes
from benchmarks.report.metrics import Metric, Spread, differ
from benchmarks.results.schema import Outcome

UNRANKED_FAILURES = 0.1
"""Share of the requests; a backend that fails more has its machine for few of them."""
WORSE = "its answers are worse"
OTHER_TIME = "measured at another time"


@dataclass(frozen=True)
class Contender:
    """A backend with its uncertainty in one metric, in one cell; `notes` say what a rank alone
    would hide."""

    backend: str
    spread: Spread
    cell: Cell
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.backend} [{'; '.join(self.notes)}]" if self.notes else self.backend


Rank = Sequence[Contender]


def ranked(
    cells: Sequence[Cell], metric: Metric, worse: Mapping[str, str] | None = None
) -> list[list[Contender]]:
    """Returns the ranks of the cells, the best first; `worse` names backends whose answers are."""
    return ranks_of(contenders(cells, metric, worse), metric)


def ranked_at_best(
    cells: Sequence[Cell], metric: Metric, worse: Mapping[str, str] | None = None
) -> list[list[Contender]]:
    """Returns the ranks of the backends, each with the level of load at which it is best."""
    best: dict[str, Contender] = {}
    for each in _sorted(contenders(cells, metric, worse), metric):
        best.setdefault(each.backend, each)
    return ranks_of(best.values(), metric)


def contenders(
    cells: Sequence[Cell], metric: Metric, worse: Mapping[str, str] | None = None
) -> list[Contender]:
    """Returns who can be ranked: no control, and nobody who fails much of the time."""
    return [
        Contender(cell.backend, spread, cell, _notes(cell, worse or {}))
        for cell in cells
        if competes(cell)
        and failed_share(cell) <= UNRANKED_FAILURES
        and (spread := cell.uncertainty(metric)) is not None
    ]


def ranks_of(contenders: Iterable[Contender], metric: Metric) -> list[list[Contender]]:
    """Returns the ranks, the best first.

    Contenders between which no difference is shown share a rank: one begins a new rank only if it
    differs from all before it.
    """
    ranks: list[list[Contender]] = []
    better: list[Contender] = []
    for each in _sorted(contenders, metric):
        if not ranks or all(differ(each.spread, other.spread) for other in better):
            ranks.append([])
        ranks[-1].append(each)
        better.append(each)
    return ranks


def _sorted(contenders: Iterable[Contender], metric: Metric) -> list[Contender]:
    sign = -1 if metric.better == "high" else 1
    return sorted(contenders, key=lambda each: (sign * each.spread.median, each.backend))


def _notes(cell: Cell, worse: Mapping[str, str]) -> tuple[str, ...]:
    notes = (WORSE if cell.backend in worse else "", OTHER_TIME if cell.other_sessions else "")
    return tuple(note for note in notes if note)


def some_differ(rank: Rank) -> bool:
    """Tells whether some differ: the third may differ from the first, the second from neither."""
    return any(differ(one.spread, other.spread) for one, other in combinations(rank, 2))


def failed_share(cell: Cell) -> float:
    """Returns the share of the plateaus' requests that did not end well."""
    counts = outcome_counts(cell)
    return 1 - counts[Outcome.OK] / counts.total() if counts else 0.0


def outcome_counts(cell: Cell) -> Counter[Outcome]:
    """Returns how the requests of the valid runs' plateaus ended."""
    counts = Counter[Outcome]()
    for result in cell.valid:
        counts.update(result.plateau.outcomes)
    return counts
