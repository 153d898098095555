"""What a group of cells shows, in words; what it does not show is said too."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from benchmarks.report.cells import Cell, Group, level_name
from benchmarks.report.metrics import RATE, TTFT, Metric, Spread, decay, differ
from benchmarks.results.schema import Outcome

FAILED = 0.01
"""Of the requests: fewer are in the table of outcomes only."""
NOT_RANKED = 0.1
"""Of the requests: who fails more has the machine for few."""
DECAYED = 0.05
"""Of the rate: less is not told."""
NO_DIFFERENCE = "between whom no difference is shown"
BEST = {RATE.key: "the highest token rate", TTFT.key: "the lowest median TTFT"}


@dataclass(frozen=True)
class Measured:
    backend: str
    spread: Spread


def conclusion(group: Group) -> list[str]:
    """Sentences: who is best in rate and in TTFT, level by level, then what limits them."""
    told = [sentence for metric in (RATE, TTFT) for sentence in _ranks(group, metric)]
    return [*told, *_decays(group), *_limits(group)]


def ranked(cells: Sequence[Cell], metric: Metric) -> list[list[Measured]]:
    """The best first. A place is shared by those between whom no difference is shown: one begins
    a new place only if it differs from everyone before it."""
    found = [
        Measured(cell.backend, spread)
        for cell in cells
        if failed(cell) <= NOT_RANKED and (spread := cell.uncertainty(metric)) is not None
    ]
    sign = -1 if metric.better == "high" else 1
    places: list[list[Measured]] = []
    before: list[Measured] = []
    for each in sorted(found, key=lambda each: (sign * each.spread.median, each.backend)):
        if not places or all(differ(each.spread, other.spread) for other in before):
            places.append([])
        places[-1].append(each)
        before.append(each)
    return places


def _ranks(group: Group, metric: Metric) -> list[str]:
    """One sentence for all levels that have the same order, told with the numbers of the last."""
    by_order: dict[tuple[tuple[str, ...], ...], list[float]] = {}
    for level in group.levels:
        places = ranked(group.at(level), metric)
        if sum(map(len, places)) > 1:
            order = tuple(tuple(sorted(each.backend for each in place)) for place in places)
            by_order.setdefault(order, []).append(level)
    return [_sentence(group, metric, levels) for levels in by_order.values()]


def _sentence(group: Group, metric: Metric, levels: Sequence[float]) -> str:
    first, *rest = ranked(group.at(levels[-1]), metric)
    best, at = BEST[metric.key], f"At {_levels(group, levels)}"
    numbers = f" (numbers at {levels[-1]:g})" if len(levels) > 1 else ""
    after = "".join(f", then {_place(place, metric)}" for place in rest)
    if len(first) == 1:
        return f"{at} {_with_value(first[0], metric)} has {best}{after}{numbers}."
    names = _joined([_with_value(each, metric) for each in first])
    if _told_apart(first):
        return f"{at} {best} is shared by some of {names}, told apart only in part{after}{numbers}."
    return f"{at} no difference in {best[4:]} is shown between {names}{after}{numbers}."


def _place(place: Sequence[Measured], metric: Metric) -> str:
    names = _joined([_with_value(each, metric) for each in place])
    if len(place) == 1:
        return names
    return f"{names}, {'told apart only in part' if _told_apart(place) else NO_DIFFERENCE}"


def _told_apart(place: Sequence[Measured]) -> bool:
    """Whether some differ: the third may differ from the first, and the second from neither."""
    return any(differ(one.spread, other.spread) for one, other in combinations(place, 2))


def _with_value(each: Measured, metric: Metric) -> str:
    spread = each.spread
    low, high = _number(spread.low), _number(spread.high)
    around = f", {low} to {high}" if low != high else ""
    return f"{each.backend} ({_number(spread.median)} {metric.unit}{around})"


def _decays(group: Group) -> list[str]:
    """Of backends whose every repeat fell."""
    fell: dict[str, list[tuple[float, float]]] = {}
    for cell in group.measured:
        found = [value for value in map(decay, cell.valid) if value is not None]
        if len(found) > 1 and max(found) < -DECAYED:
            fell.setdefault(cell.backend, []).append((cell.level, -max(found)))
    return [
        f"The rate of {backend} fell by {min(by for _, by in levels):.0%} or more from the first "
        f"to the last third of the plateau, in every repeat at "
        f"{_levels(group, [level for level, _ in levels])}."
        for backend, levels in fell.items()
    ]


def _limits(group: Group) -> list[str]:
    told = []
    if len(group.backends) == 1:
        told.append(f"{group.backends[0]} was measured alone: there is nothing to rank.")
    if any(len(cell.valid) == 1 for cell in group.measured):
        told.append(
            "Some cells were measured once: their spread is that between the windows of the run, "
            "and says nothing of how another run would differ."
        )
    if any(len(cell.valid) == 2 for cell in group.measured):
        told.append("Some cells were measured twice: two repeats show little of the real spread.")
    if not group.same_prompts:
        told.append("Not all backends were asked the same in the same order: do not rank by these.")
    if any(len(machines(cell)) > 1 for cell in group.measured):
        told.append("Some cells mix runs of several machines: their spread is no repeat's.")
    told += [sentence for cell in group.measured if (sentence := _failures(cell))]
    void = [(cell, run) for cell in group.cells for run in cell.void]
    if void:
        named = "; ".join(
            f"{cell.backend} at {cell.load}, {', '.join(run.result.verdict.reasons)}"
            for cell, run in void
        )
        one = (
            "1 run is void and counts" if len(void) == 1 else f"{len(void)} runs are void and count"
        )
        told.append(f"{one} for nothing: {named}.")
    return told


def _failures(cell: Cell) -> str | None:
    """Latencies are of what ended well, so who fails a lot may look fast."""
    if failed(cell) <= FAILED:
        return None
    outcomes = _outcomes(cell)
    bad = {outcome: n for outcome, n in outcomes.items() if outcome is not Outcome.OK}
    unranked = ", so it is not ranked" if failed(cell) > NOT_RANKED else ""
    kinds = ", ".join(f"{n} {outcome.replace('_', ' ')}" for outcome, n in bad.items())
    return (
        f"{cell.backend} at {cell.load}: {sum(bad.values())} of {sum(outcomes.values())} requests "
        f"did not end well ({kinds}), and its latencies are those of the others{unranked}."
    )


def machines(cell: Cell) -> set[tuple[str, ...]]:
    found = (result.environment for result in cell.valid)
    return {(environment.host, *environment.gpus) for environment in found}


def failed(cell: Cell) -> float:
    """The share of the plateaus' requests that did not end well."""
    outcomes = _outcomes(cell)
    return 1 - outcomes[Outcome.OK] / outcomes.total() if outcomes else 0.0


def _outcomes(cell: Cell) -> Counter[Outcome]:
    found = Counter[Outcome]()
    for result in cell.valid:
        found.update(result.plateau.outcomes)
    return found


def _levels(group: Group, levels: Sequence[float]) -> str:
    if len(levels) == 1:
        return level_name(levels[0], group.unit)
    return f"{_joined([f'{level:g}' for level in levels])} {group.unit}"


def _joined(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
