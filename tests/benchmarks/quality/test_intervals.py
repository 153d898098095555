"""Intervals and tests agree with numbers that are known from elsewhere."""

import math

import pytest

from benchmarks.quality.intervals import ratio, sign_test, wilson


@pytest.mark.parametrize(
    ("right", "count", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662)],
)
def test_a_share_has_wilsons_interval(right: int, count: int, low: float, high: float) -> None:
    """The last one is an example of Newcombe, Statistics in Medicine 17 (1998), table I."""
    assert [*wilson(right, count)] == pytest.approx([low, high], abs=1e-4)


def test_a_ratio_of_equal_texts_is_certain_and_of_one_text_unknown() -> None:
    assert ratio([2.0, 4.0, 6.0], [1, 2, 3]) == (2.0, 0.0)
    assert ratio([2.0], [1]) == (2.0, None)


def test_a_ratio_of_equally_long_texts_has_the_interval_of_their_mean() -> None:
    value, half = ratio([1.0, 2.0, 3.0, 4.0], [1, 1, 1, 1])
    assert value == 2.5
    assert half == pytest.approx(1.959964 * math.sqrt(5 / 3) / 2)


@pytest.mark.parametrize(
    ("fewer", "more", "chance"), [(0, 0, 1.0), (0, 5, 0.0625), (1, 9, 22 / 1024)]
)
def test_few_changes_in_one_direction_may_be_chance(fewer: int, more: int, chance: float) -> None:
    assert sign_test(fewer, more) == sign_test(more, fewer) == pytest.approx(chance)
