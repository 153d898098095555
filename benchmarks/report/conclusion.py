"""What a group of cells shows, in words; what it does not show is said too."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.report.cells import Cell, Group
from benchmarks.report.metrics import RATE, TTFT, Metric, Spread, decay, differ

DECAYED = 0.05
"""Of the rate: less is not told."""


@dataclass(frozen=True)
class Measured:
    backend: str
    spread: Spread


def conclusion(group: Group) -> list[str]:
    """Sentences: for each level the highest rate and the lowest TTFT, then what limits them."""
    told = [
        sentence
        for level in group.levels
        for metric, best in ((RATE, "the highest token rate"), (TTFT, "the lowest median TTFT"))
        if (sentence := _best(group.at(level), metric, best))
    ]
    return [*told, *_decays(group), *_limits(group)]


def ranked(cells: Sequence[Cell], metric: Metric) -> list[Measured]:
    """The best first, by their medians."""
    found = [
        Measured(cell.backend, spread)
        for cell in cells
        if (spread := cell.uncertainty(metric)) is not None
    ]
    sign = -1 if metric.better == "high" else 1
    return sorted(found, key=lambda each: sign * each.spread.median)


def leaders(order: Sequence[Measured]) -> list[Measured]:
    """The best, and all who are not shown to differ from it."""
    return [each for each in order if each is order[0] or not differ(order[0].spread, each.spread)]


def _best(cells: Sequence[Cell], metric: Metric, best: str) -> str | None:
    order = ranked(cells, metric)
    if len(order) < 2:
        return None
    first, rest = leaders(order), order[len(leaders(order)) :]
    at = f"At {cells[0].load}"
    if len(first) > 1:
        names = _joined([_with_value(each, metric) for each in first])
        after = f"; behind them {_joined([_with_value(r, metric) for r in rest])}" if rest else ""
        return f"{at} no difference is shown in {best[4:]} between {names}{after}."
    others = _joined([_with_value(each, metric) for each in order[1:]])
    return f"{at} {_with_value(order[0], metric)} has {best}, before {others}."


def _with_value(each: Measured, metric: Metric) -> str:
    spread = each.spread
    around = f", {_number(spread.low)} to {_number(spread.high)}" if spread.width else ""
    return f"{each.backend} ({_number(spread.median)} {metric.unit}{around})"


def _decays(group: Group) -> list[str]:
    told = []
    for cell in group.measured:
        found = [value for value in map(decay, cell.valid) if value is not None]
        if found and max(found) < -DECAYED:
            told.append(
                f"The rate of {cell.backend} at {cell.load} fell by {-max(found):.0%} or more "
                "from the first to the last third of its plateau."
            )
    return told


def _limits(group: Group) -> list[str]:
    told = []
    if any(len(cell.valid) == 1 for cell in group.measured):
        told.append(
            "Some cells were measured once: their spread is that between the windows of the run, "
            "and says nothing of how another run would differ."
        )
    if len(group.sequences) > 1:
        told.append("Not all runs asked the same prompts in the same order: do not rank by these.")
    void = sum(len(cell.void) for cell in group.cells)
    if void:
        told.append(f"{void} run{'s were' if void > 1 else ' was'} void and count for nothing.")
    return told


def _joined(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
