"""The metrics that are compared, and their spread over the repeats of a cell."""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.results.schema import Distribution, Phase, Result, Window

MIN_SAMPLES = 2
"""How many values a range is made of before a difference from it counts."""


@dataclass(frozen=True)
class Spread:
    """The median of `count` runs, with the least and the greatest of `samples` values.

    Those values are of the runs, or of one run's windows.
    """

    median: float
    low: float
    high: float
    count: int
    samples: int

    @property
    def width(self) -> float:
        return self.high - self.low


@dataclass(frozen=True)
class Metric:
    """`get` returns the value of a run's plateau, `window` that of a window, or None."""

    key: str
    title: str
    unit: str
    better: Literal["high", "low"]
    get: Callable[[Result], float | None]
    window: Callable[[Window], float | None] | None = None


def milliseconds(distribution: Distribution | None, percentile: str = "p50") -> float | None:
    return None if distribution is None else 1000 * float(getattr(distribution, percentile))


RATE = Metric(
    key="rate",
    title="Token rate",
    unit="tokens/s",
    better="high",
    get=lambda result: result.plateau.tokens_per_second,
    window=lambda window: window.tokens_per_second,
)
TTFT = Metric(
    key="ttft",
    title="Time to first token (TTFT), median",
    unit="ms",
    better="low",
    get=lambda result: milliseconds(result.plateau.ttft),
    window=lambda window: None if window.ttft is None else 1000 * window.ttft,
)
TPOT = Metric(
    key="tpot",
    title="Time per output token (TPOT), median",
    unit="ms",
    better="low",
    get=lambda result: milliseconds(result.plateau.tpot),
)
END_TO_END = Metric(
    key="end_to_end",
    title="Whole request, median",
    unit="ms",
    better="low",
    get=lambda result: milliseconds(result.plateau.end_to_end),
)
GOODPUT = Metric(
    key="goodput",
    title="Goodput",
    unit="requests/s within the limits",
    better="high",
    get=lambda result: result.plateau.goodput,
)
PER_USER = Metric(
    key="per_user",
    title="Token rate per user",
    unit="tokens/s",
    better="high",
    get=lambda result: result.plateau.tokens_per_second_per_user,
)
PRICE = Metric(
    key="price",
    title="Price",
    unit="per million output tokens, in the currency of the price per hour",
    better="low",
    get=lambda result: result.cost.per_million_output_tokens,
)
ENERGY = Metric(
    key="energy",
    title="Energy",
    unit="J per output token",
    better="low",
    get=lambda result: result.cost.joules_per_output_token,
)
TOKENS_PER_JOULE = Metric(
    key="tokens_per_joule",
    title="Output tokens per J",
    unit="tokens/J",
    better="high",
    get=lambda result: 1 / joules if (joules := result.cost.joules_per_output_token) else None,
)
GOODPUT_SHARE = Metric(
    key="goodput_share",
    title="Requests within the limits",
    unit="%",
    better="high",
    get=lambda result: _goodput_share(result.plateau),
)
COSTS = (PRICE, ENERGY)
METRICS = (RATE, PER_USER, TTFT, TPOT, END_TO_END, GOODPUT)


def _goodput_share(phase: Phase) -> float | None:
    """Returns the requests within the limits as a percentage of those that ended well."""
    if phase.goodput is None or not phase.requests_per_second:
        return None
    return 100 * phase.goodput / phase.requests_per_second


def spread_of(values: Sequence[float]) -> Spread:
    """Returns the spread of one value for each run."""
    return Spread(statistics.median(values), min(values), max(values), len(values), len(values))


def spread_of_repeats(results: Sequence[Result], metric: Metric) -> Spread | None:
    """Returns the spread over the repeats that have a value; None when none has."""
    values = [value for value in map(metric.get, results) if value is not None]
    return spread_of(values) if values else None


def uncertainty(results: Sequence[Result], metric: Metric) -> Spread | None:
    """Returns the spread over the repeats, or over the windows of one run's plateau."""
    spread = spread_of_repeats(results, metric)
    if spread is None or spread.count > 1 or metric.window is None:
        return spread
    windows = plateau(results[0])
    values = [value for value in map(metric.window, windows) if value is not None]
    low, high = min([spread.median, *values]), max([spread.median, *values])
    return Spread(spread.median, low, high, 1, len(values))


def differ(one: Spread, other: Spread) -> bool:
    """Tells whether two spreads show a difference.

    The ranges do not meet then, and the medians are further apart than the wider range. What was
    measured once, without a range, shows none.
    """
    if min(_sample_count(one), _sample_count(other)) < MIN_SAMPLES:
        return False
    apart = one.low > other.high or other.low > one.high
    return apart and abs(one.median - other.median) > max(one.width, other.width)


def _sample_count(spread: Spread) -> int:
    """Returns how many values the range is made of; one run's own value is none of them."""
    return spread.samples if spread.count > 1 else spread.samples - 1


def plateau(result: Result) -> list[Window]:
    return [window for window in result.windows if window.phase == "plateau"]


def decay(result: Result) -> float | None:
    """Returns how the rate changed from the first to the last third of the plateau.

    -0.1 is a tenth slower. It is None for what is within twice the standard error of the thirds'
    means, for fewer than six windows, and for a plateau that began with nothing.
    """
    rates = [window.tokens_per_second for window in plateau(result)]
    third = len(rates) // 3
    if third < 2 or not (first := statistics.fmean(rates[:third])):
        return None
    last = statistics.fmean(rates[-third:])
    variances = (statistics.variance(part) for part in (rates[:third], rates[-third:]))
    error = math.sqrt(sum(variances) / third)
    return last / first - 1 if abs(last - first) > 2 * error else None
