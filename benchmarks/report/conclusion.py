"""What a group of cells shows, and what it does not show, in sentences."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from benchmarks.report.cells import Cell, Group, level_name
from benchmarks.report.metrics import RATE, TTFT, Metric, Spread, decay, differ
from benchmarks.results.schema import Outcome

MENTIONED_FAILURES = 0.01
"""Share of the requests; fewer failures are in the table of outcomes only."""
UNRANKED_FAILURES = 0.1
"""Share of the requests; a backend that fails more has its machine for few of them."""
MENTIONED_DECAY = 0.05
"""Share of the rate; a smaller decay is not mentioned."""
NO_DIFFERENCE = "between whom no difference is shown"
BEST = {RATE.key: "the highest token rate", TTFT.key: "the lowest median TTFT"}


@dataclass(frozen=True)
class Contender:
    """A backend with its uncertainty in one metric."""

    backend: str
    spread: Spread


def conclusion(group: Group) -> list[str]:
    """Returns sentences: who is best in rate and in TTFT by level, then what limits that."""
    rankings = [sentence for metric in (RATE, TTFT) for sentence in _rankings(group, metric)]
    return [*rankings, *_decays(group), *_limitations(group)]


def ranked(cells: Sequence[Cell], metric: Metric) -> list[list[Contender]]:
    """Returns the ranks, the best first.

    Contenders between whom no difference is shown share a rank: one begins a new rank only if it
    differs from all before it.
    """
    contenders = [
        Contender(cell.backend, spread)
        for cell in cells
        if failed_share(cell) <= UNRANKED_FAILURES
        and (spread := cell.uncertainty(metric)) is not None
    ]
    sign = -1 if metric.better == "high" else 1
    ranks: list[list[Contender]] = []
    better: list[Contender] = []
    for each in sorted(contenders, key=lambda each: (sign * each.spread.median, each.backend)):
        if not ranks or all(differ(each.spread, other.spread) for other in better):
            ranks.append([])
        ranks[-1].append(each)
        better.append(each)
    return ranks


def _rankings(group: Group, metric: Metric) -> list[str]:
    """Returns one sentence for all levels of the same order, with the numbers of the last."""
    by_order: dict[tuple[tuple[str, ...], ...], list[float]] = {}
    for level in group.levels:
        ranks = ranked(group.cells_at(level), metric)
        if sum(map(len, ranks)) > 1:
            order = tuple(tuple(sorted(each.backend for each in rank)) for rank in ranks)
            by_order.setdefault(order, []).append(level)
    return [_sentence(group, metric, levels) for levels in by_order.values()]


def _sentence(group: Group, metric: Metric, levels: Sequence[float]) -> str:
    first, *rest = ranked(group.cells_at(levels[-1]), metric)
    best, at = BEST[metric.key], f"At {_levels(group, levels)}"
    numbers = f" (numbers at {levels[-1]:g})" if len(levels) > 1 else ""
    after = "".join(f", then {_rank_text(rank, metric)}" for rank in rest)
    if len(first) == 1:
        return f"{at} {_with_value(first[0], metric)} has {best}{after}{numbers}."
    names = _joined([_with_value(each, metric) for each in first])
    if _some_differ(first):
        return f"{at} {best} is shared by some of {names}, told apart only in part{after}{numbers}."
    return f"{at} no difference in {best[4:]} is shown between {names}{after}{numbers}."


def _rank_text(rank: Sequence[Contender], metric: Metric) -> str:
    names = _joined([_with_value(each, metric) for each in rank])
    if len(rank) == 1:
        return names
    return f"{names}, {'told apart only in part' if _some_differ(rank) else NO_DIFFERENCE}"


def _some_differ(rank: Sequence[Contender]) -> bool:
    """Tells whether some differ: the third may differ from the first, the second from neither."""
    return any(differ(one.spread, other.spread) for one, other in combinations(rank, 2))


def _with_value(each: Contender, metric: Metric) -> str:
    spread = each.spread
    low, high = _number(spread.low), _number(spread.high)
    around = f", {low} to {high}" if low != high else ""
    return f"{each.backend} ({_number(spread.median)} {metric.unit}{around})"


def _decays(group: Group) -> list[str]:
    """Returns a sentence for each backend whose rate fell in every repeat."""
    fell: dict[str, list[tuple[float, float]]] = {}
    for cell in group.measured:
        decays = [value for value in map(decay, cell.valid) if value is not None]
        if len(decays) > 1 and max(decays) < -MENTIONED_DECAY:
            fell.setdefault(cell.backend, []).append((cell.level, -max(decays)))
    return [
        f"The rate of {backend} fell by {min(by for _, by in levels):.0%} or more from the first "
        f"to the last third of the plateau, in every repeat at "
        f"{_levels(group, [level for level, _ in levels])}."
        for backend, levels in fell.items()
    ]


def _limitations(group: Group) -> list[str]:
    sentences = []
    if len(group.backends) == 1:
        sentences.append(f"{group.backends[0]} was measured alone: there is nothing to rank.")
    if any(len(cell.valid) == 1 for cell in group.measured):
        sentences.append(
            "Some cells were measured once: their spread is that between the windows of the run, "
            "and says nothing of how another run would differ."
        )
    if any(len(cell.valid) == 2 for cell in group.measured):
        sentences.append(
            "Some cells were measured twice: two repeats show little of the real spread."
        )
    if not group.same_prompts:
        sentences.append(
            "Not all backends were asked the same in the same order: do not rank by these."
        )
    if any(len(cell.machines) > 1 for cell in group.measured):
        sentences.append("Some cells mix runs of several machines: their spread is no repeat's.")
    sentences += [sentence for cell in group.measured if (sentence := _failures(cell))]
    void = [(cell, run) for cell in group.cells for run in cell.void]
    if void:
        named = "; ".join(
            f"{cell.backend} at {cell.load}, {', '.join(run.result.verdict.reasons)}"
            for cell, run in void
        )
        one = (
            "1 run is void and counts" if len(void) == 1 else f"{len(void)} runs are void and count"
        )
        sentences.append(f"{one} for nothing: {named}.")
    return sentences


def _failures(cell: Cell) -> str | None:
    """Returns a warning: latencies are of what ended well, so who fails a lot may look fast."""
    if failed_share(cell) <= MENTIONED_FAILURES:
        return None
    outcomes = _outcomes(cell)
    bad = {outcome: n for outcome, n in outcomes.items() if outcome is not Outcome.OK}
    unranked = ", so it is not ranked" if failed_share(cell) > UNRANKED_FAILURES else ""
    kinds = ", ".join(f"{n} {outcome.replace('_', ' ')}" for outcome, n in bad.items())
    return (
        f"{cell.backend} at {cell.load}: {sum(bad.values())} of {sum(outcomes.values())} requests "
        f"did not end well ({kinds}), and its latencies are those of the others{unranked}."
    )


def failed_share(cell: Cell) -> float:
    """Returns the share of the plateaus' requests that did not end well."""
    outcomes = _outcomes(cell)
    return 1 - outcomes[Outcome.OK] / outcomes.total() if outcomes else 0.0


def _outcomes(cell: Cell) -> Counter[Outcome]:
    counts = Counter[Outcome]()
    for result in cell.valid:
        counts.update(result.plateau.outcomes)
    return counts


def _levels(group: Group, levels: Sequence[float]) -> str:
    if len(levels) == 1:
        return level_name(levels[0], group.unit)
    return f"{_joined([f'{level:g}' for level in levels])} {group.unit}"


def _joined(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
