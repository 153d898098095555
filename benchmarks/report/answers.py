"""The answers to what a reader wants to know first, each with its figure and how sure it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.report.cells import Group
from benchmarks.report.metrics import ENERGY, GOODPUT, PRICE, RATE, TTFT, Metric
from benchmarks.report.quality import QualityIndex, losses, scores_text
from benchmarks.report.ranking import Contender, Rank, ranked, ranked_at_best, some_differ
from benchmarks.report.remarks import levels_text
from benchmarks.report.wording import joined, limits_text, with_range

MORE = {"high": "more", "low": "less"}


@dataclass(frozen=True)
class Answer:
    """A question and its answer: a sentence, or why there is none."""

    question: str
    text: str


def answers(group: Group, index: QualityIndex) -> list[Answer]:
    """Returns an answer to each question, for one condition; none if nothing was measured."""
    if not group.measured:
        return []
    worse = losses(group, index)
    return [
        Answer("Fastest at my load?", _by_level(group, RATE, worse)),
        Answer("Lowest first token?", _by_level(group, TTFT, worse)),
        Answer("Best within limits?", _within_limits(group, worse)),
        Answer("Cheapest?", _cheapest(group, worse)),
        Answer("Still right?", _right(group, index, worse)),
    ]


def _by_level(group: Group, metric: Metric, worse: Mapping[str, str]) -> str:
    """Returns who leads, in one part for all levels in which the same ones do."""
    by_leaders: dict[tuple[str, ...], list[float]] = {}
    for level in group.levels:
        ranks = ranked(group.cells_at(level), metric, worse)
        if ranks:
            leaders = tuple(sorted(each.backend for each in ranks[0]))
            by_leaders.setdefault(leaders, []).append(level)
    parts = []
    for levels in by_leaders.values():
        ranks = ranked(group.cells_at(levels[-1]), metric, worse)
        at = f" at {levels[-1]:g}" if len(levels) > 1 else ""
        parts.append(f"At {levels_text(levels, group.unit)} {_leaders(ranks, metric, at)}")
    return ". ".join(parts) + "." if parts else "No backend that can be ranked was measured."


def _leaders(ranks: Sequence[Rank], metric: Metric, at: str) -> str:
    """Returns who is in the first rank, and how far the next one is behind."""
    first = ranks[0]
    if len(first) > 1:
        names = joined([_with_figure(each, metric) for each in first])
        apart = "told apart only in part" if some_differ(first) else "not told apart"
        return f"{names}{at}, {apart}"
    leader = first[0]
    if len(ranks) == 1:
        return f"{_with_figure(leader, metric)}{at}, with nothing valid to rank it against"
    return f"{_with_figure(leader, metric)}{at}{_ahead(leader, ranks[1][0], metric)}"


def _ahead(leader: Contender, second: Contender, metric: Metric) -> str:
    if not second.spread.median or not leader.spread.median:
        return f", then {second.name}"
    ratio = leader.spread.median / second.spread.median
    if metric.better == "high" and ratio >= 2:
        return f", {ratio:.1f} times {second.name}"
    return f", {abs(ratio - 1):.0%} {MORE[metric.better]} than {second.name}"


def _with_figure(each: Contender, metric: Metric) -> str:
    return f"{each.name}: {with_range(each.spread, metric.unit)}"


def _at_best(group: Group, metric: Metric, worse: Mapping[str, str]) -> str | None:
    """Returns who leads if each backend has the level at which it is best; None without values."""
    ranks = ranked_at_best(group.measured, metric, worse)
    if not ranks:
        return None
    at = f" at {levels_text([ranks[0][0].cell.level], group.unit)}"
    return _leaders(ranks, metric, at if len(ranks[0]) == 1 else "")


def _within_limits(group: Group, worse: Mapping[str, str]) -> str:
    text = _at_best(group, GOODPUT, worse)
    if text is None:
        return "Not told: the study sets no limits of what a user bears."
    limits = group.measured[0].valid[0].load.limits
    return f"Within {limits_text(limits)}, {text}."


def _cheapest(group: Group, worse: Mapping[str, str]) -> str:
    parts = [text for metric in (PRICE, ENERGY) if (text := _at_best(group, metric, worse))]
    if not parts:
        return (
            "Not told: the study gives no price_per_hour, and there was no GPU whose energy could "
            "be measured."
        )
    return ". ".join(parts) + "."


def _right(group: Group, index: QualityIndex, worse: Mapping[str, str]) -> str:
    scores = scores_text(group, index)
    if not scores:
        return "Not measured: the study has no tasks of quality."
    if worse:
        named = [f"The answers of {backend} are {reason}" for backend, reason in worse.items()]
        return f"{'. '.join(named)}. Scores of {scores}."
    return f"No loss is shown. Scores of {scores}."
