"""Medians, spreads and ratios of the samples, as numbers and as a table."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.overhead.measure import Sample

Quantity = Literal["tokens_per_second", "cpu_per_1000"]
TITLES: dict[Quantity, str] = {
    "tokens_per_second": "tokens/s",
    "cpu_per_1000": "server CPU per token",
}
ROW_TITLES: tuple[str, ...] = (
    *("", "rounds", "tokens/s", "low", "high", "CPU s/1000", "low", "high"),
    *("server", "client", "pieces"),
)
RATIO_TITLES: tuple[str, ...] = ("ratio", "of", "median", "low", "high", "aim", "")


@dataclass(frozen=True)
class Spread:
    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """`name` over `base`; `at_least` is the aim, where there is one."""

    name: str
    base: str
    of: Quantity = "tokens_per_second"
    at_least: float | None = None


@dataclass(frozen=True)
class Row:
    """One target over all its valid rounds."""

    target: str
    rounds: int
    tokens_per_second: Spread
    cpu_per_1000: Spread
    server_load: float
    client_load: float
    pieces_per_stream: float


@dataclass(frozen=True)
class Ratio:
    """`value` None: no round in which both sides were valid. `met` None: no aim."""

    comparison: Comparison
    value: Spread | None
    met: bool | None


def rows(samples: Iterable[Sample]) -> list[Row]:
    """Void samples are left out; so is a target that has no other."""
    by_target: dict[str, list[Sample]] = {}
    for sample in samples:
        if sample.void is None:
            by_target.setdefault(sample.target, []).append(sample)
    return [_row(target, valid) for target, valid in by_target.items()]


def ratios(samples: Sequence[Sample], comparisons: Iterable[Comparison]) -> list[Ratio]:
    """Taken within each round, where both sides saw the same machine."""
    valid = {(s.target, s.round): s for s in samples if s.void is None}
    numbers = sorted({number for _, number in valid})
    found: list[Ratio] = []
    for comparison in comparisons:
        pairs = [
            (valid.get((comparison.name, n)), valid.get((comparison.base, n))) for n in numbers
        ]
        values = [
            getattr(name, comparison.of) / getattr(base, comparison.of)
            for name, base in pairs
            if name is not None and base is not None and getattr(base, comparison.of)
        ]
        value = spread(values) if values else None
        aim = comparison.at_least
        met = None if aim is None or value is None else value.median >= aim
        found.append(Ratio(comparison, value, met))
    return found


def spread(values: Sequence[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values))


def render(rows: Iterable[Row], ratios: Iterable[Ratio]) -> str:
    """Two tables, aligned."""
    servers = [ROW_TITLES, *map(_row_cells, rows)]
    compared = [RATIO_TITLES, *map(_ratio_cells, ratios)]
    return f"{_table(servers)}\n\n{_table(compared)}"


def _row(target: str, samples: Sequence[Sample]) -> Row:
    return Row(
        target=target,
        rounds=len(samples),
        tokens_per_second=spread([sample.tokens_per_second for sample in samples]),
        cpu_per_1000=spread([sample.cpu_per_1000 for sample in samples]),
        server_load=statistics.median(s.server_load for s in samples),
        client_load=statistics.median(s.client_load for s in samples),
        pieces_per_stream=statistics.median(s.pieces_per_stream for s in samples),
    )


def _row_cells(row: Row) -> tuple[str, ...]:
    rate, cpu = row.tokens_per_second, row.cpu_per_1000
    return (
        row.target,
        str(row.rounds),
        *(f"{value:.0f}" for value in (rate.median, rate.low, rate.high)),
        *(f"{value:.4f}" for value in (cpu.median, cpu.low, cpu.high)),
        f"{row.server_load:.0%}",
        f"{row.client_load:.0%}",
        f"{row.pieces_per_stream:.1f}",
    )


def _ratio_cells(ratio: Ratio) -> tuple[str, ...]:
    comparison, value = ratio.comparison, ratio.value
    values = (value.median, value.low, value.high) if value else ()
    return (
        f"{comparison.name} / {comparison.base}",
        TITLES[comparison.of],
        *([f"{number:.2f}" for number in values] or ["-"] * 3),
        "-" if comparison.at_least is None else f">= {comparison.at_least:.2f}",
        "" if ratio.met is None else "met" if ratio.met else "missed",
    )


def _table(cells: Sequence[Sequence[str]]) -> str:
    """The first column to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        first, *rest = zip(row, widths, strict=True)
        aligned = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)]
        lines.append("  ".join(aligned).rstrip())
    return "\n".join(lines)
