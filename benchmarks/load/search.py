"""A bracketed search: the highest level that keeps the limits, and the lowest that breaks them."""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

from benchmarks.load.sweep_spec import SweepSettings

LOWEST_SHARE = 1 / 1024
"""Of the first level of an open loop: below, the search ends."""
Judgement = Literal["kept", "broke", "void"]


class TriedLevel(NamedTuple):
    """A level and what came of it; `void` is a run that says nothing about the server."""

    level: float
    judgement: Judgement


class Bracket(NamedTuple):
    """The highest level that kept the limits, and the lowest above it that did not."""

    kept: float | None
    broke: float | None


class SearchStep(NamedTuple):
    """The next level, or None at the end; `reason` is a sentence of why."""

    level: float | None
    reason: str


def bracket(tried: Sequence[TriedLevel]) -> Bracket:
    """Returns the bracket of what was tried; a void run bounds it as one that broke a limit."""
    broke = min((each.level for each in _judged(tried) if each.judgement != "kept"), default=None)
    kept = [each.level for each in _judged(tried) if each.judgement == "kept"]
    below = [level for level in kept if broke is None or level < broke]
    return Bracket(max(below, default=None), broke)


def next_step(
    tried: Sequence[TriedLevel], settings: SweepSettings, start: float, *, whole: bool
) -> SearchStep:
    """Returns which level is tried next. The search doubles the level, or halves it, until one
    level keeps the limits and one does not; then it tries their geometric mean. A void run is tried
    once more. `whole` levels are integers from 1 on."""
    if not tried:
        return SearchStep(start, "where the search begins")
    if len(tried) >= settings.steps:
        return SearchStep(None, f"{settings.steps} runs were made, as many as allowed")
    last = tried[-1]
    if last.judgement == "void" and [each.level for each in tried].count(last.level) == 1:
        return SearchStep(last.level, "the run was void: once more")
    kept, broke = bracket(tried)
    if kept is None:
        assert broke is not None
        return _lower(broke, start, whole=whole)
    if broke is None:
        return _higher(kept, settings.highest)
    return _between(kept, broke, settings.precision, whole=whole)


def _judged(tried: Sequence[TriedLevel]) -> list[TriedLevel]:
    """Returns the last judgement of each level."""
    return list({each.level: each for each in tried}.values())


def _lower(broke: float, start: float, *, whole: bool) -> SearchStep:
    if (whole and broke <= 1) or broke / start <= LOWEST_SHARE:
        return SearchStep(None, "even the lowest level does not keep the limits")
    return SearchStep(broke // 2 if whole else broke / 2, "half of what did not keep the limits")


def _higher(kept: float, highest: float | None) -> SearchStep:
    if highest is not None and kept >= highest:
        return SearchStep(None, "the highest level that was allowed keeps the limits")
    double = kept * 2
    level = double if highest is None else min(double, highest)
    return SearchStep(level, "twice of what kept the limits")


def _between(kept: float, broke: float, precision: float, *, whole: bool) -> SearchStep:
    if (broke - kept) <= kept * precision * (1 + 1e-9) or (whole and broke - kept <= 1):
        return SearchStep(None, "the two levels are as near as asked for")
    middle = math.sqrt(kept * broke)
    if whole:
        middle = float(min(max(round(middle), kept + 1), broke - 1))
    return SearchStep(middle, f"between {kept:g}, which kept the limits, and {broke:g}")
