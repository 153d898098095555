"""Two scores of the same questions: whether one is shown to be worse, document by document."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.quality.intervals import ratio, sign_test
from benchmarks.results.quality import DocumentScore, Score, TaskScore

SHOWN = 0.05
"""Of the sign test: a difference is shown where chance alone seldom makes one so large."""
ROUNDING = 0.01
"""Of a perplexity: engines that round 16 bits in another order differ by less, on every text."""
Judgement = Literal["worse", "better", "no difference shown"]


@dataclass(frozen=True)
class ScoreChange:
    """How a score differs from another of the same questions: `words` say of what it consists."""

    verdict: Judgement
    words: str


def change(base: TaskScore, other: TaskScore) -> ScoreChange | None:
    """Returns how `other` differs from `base`, document by document where those are known; None
    where either has no score, or other questions were asked."""
    if base.score is None or other.score is None or base.hash != other.hash:
        return None
    if other.kind == "lm_eval":
        return _unpaired(base.score, other.score)
    if other.kind == "perplexity":
        return _predicted(base.documents, other.documents)
    pairs = [*zip(base.documents, other.documents, strict=True)]
    lost = sum(bool(old.right) and not new.right for old, new in pairs)
    gained = sum(bool(new.right) and not old.right for old, new in pairs)
    shown = lost != gained and sign_test(lost, gained) < SHOWN
    verdict: Judgement = "no difference shown"
    if shown:
        verdict = "worse" if lost > gained else "better"
    return ScoreChange(verdict, f"{lost} right answers lost, {gained} gained")


def _predicted(base: Sequence[DocumentScore], other: Sequence[DocumentScore]) -> ScoreChange | None:
    """Returns the change of perplexity; None where texts were cut into other tokens."""
    counts = [each.predicted for each in other]
    if counts != [each.predicted for each in base]:
        return None
    lost = [(a.logprob or 0.0) - (b.logprob or 0.0) for a, b in zip(base, other, strict=True)]
    mean, half = ratio(lost, counts)
    words = f"{100 * math.expm1(mean):+.2f} %"
    if half is None or abs(mean) <= max(half, ROUNDING):
        return ScoreChange("no difference shown", words)
    return ScoreChange("worse" if mean > 0 else "better", words)


def _unpaired(base: Score, other: Score) -> ScoreChange:
    difference = other.value - base.value
    words = f"{difference:+.4g}"
    bounds = (base.low, base.high, other.low, other.high)
    if None in bounds:
        return ScoreChange("no difference shown", words)
    halves = (_half(base), _half(other))
    if abs(difference) <= math.hypot(*halves):
        return ScoreChange("no difference shown", words)
    fell = (difference < 0) == (other.better == "high")
    return ScoreChange("worse" if fell else "better", words)


def _half(score: Score) -> float:
    return ((score.high or 0.0) - (score.low or 0.0)) / 2
