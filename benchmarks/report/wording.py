"""Numbers and lists in words."""

from collections.abc import Sequence

from benchmarks.load.spec import Limits
from benchmarks.report.metrics import Spread


def number(value: float) -> str:
    """Returns at least three digits of it."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def range_words(spread: Spread) -> str:
    """Returns "1,802 to 1,841", and nothing where both look the same."""
    low, high = number(spread.low), number(spread.high)
    return f"{low} to {high}" if low != high else ""


def with_range(spread: Spread, unit: str) -> str:
    """Returns "1,817 tokens/s (1,802 to 1,841)"."""
    around = range_words(spread)
    return f"{number(spread.median)} {unit}{f' ({around})' if around else ''}"


def joined(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def limits_text(limits: Limits) -> str:
    """Returns "TTFT 1 s and TPOT 50 ms"; nothing without limits."""
    named = {"TTFT": limits.ttft, "TPOT": limits.tpot, "whole request": limits.end_to_end}
    texts = [f"{name} {seconds_text(limit)}" for name, limit in named.items() if limit is not None]
    return joined(texts) if texts else ""


def seconds_text(seconds: float) -> str:
    """Returns "1.5 s" or "50 ms"."""
    return f"{number(seconds)} s" if seconds >= 1 else f"{number(1000 * seconds)} ms"
