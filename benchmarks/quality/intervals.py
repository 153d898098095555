"""Intervals of 95 %: how far another sample of as many documents might be from a score."""

import math
from collections.abc import Sequence

Z = 1.959964
"""Standard deviations of a normal distribution that hold 95 % of it on both sides."""
WILSON = "Wilson, 95 %"
"""E. B. Wilson, Probable inference, the law of succession, and statistical inference, Journal of
the American Statistical Association 22 (1927): it holds for few documents, and near 0 and 1."""
RATIO = "ratio of sums over documents, 95 %"
"""W. G. Cochran, Sampling Techniques (1977), chapter 6: tokens of one text are not independent, so
texts are what is sampled."""
NORMAL = "1.96 standard errors as lm-eval tells them"


def wilson(right: int, count: int) -> tuple[float, float]:
    """Returns the bounds of a share; `count` is at least 1."""
    share, square = right / count, Z * Z / count
    middle = (share + square / 2) / (1 + square)
    half = Z / (1 + square) * math.sqrt(share * (1 - share) / count + square / (4 * count))
    return max(0.0, middle - half), min(1.0, middle + half)


def ratio(sums: Sequence[float], counts: Sequence[int]) -> tuple[float, float | None]:
    """Returns sum of `sums` / sum of `counts`, and half the width of its interval: None for fewer
    than two documents."""
    total, number = sum(counts), len(sums)
    value = sum(sums) / total
    if number < 2:
        return value, None
    squares = sum((s - value * n) ** 2 for s, n in zip(sums, counts, strict=True))
    return value, Z * math.sqrt(squares * number / (number - 1)) / total


def sign_test(fewer: int, more: int) -> float:
    """Returns the probability that of `fewer` + `more` flips of a fair coin so few, or fewer, fall
    on either side: McNemar's exact test of paired answers."""
    count, least = fewer + more, min(fewer, more)
    tail: float = sum(math.comb(count, k) for k in range(least + 1)) / 2**count
    return min(1.0, 2 * tail)
