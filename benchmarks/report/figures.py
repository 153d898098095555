"""The figures of one condition: bars, curves and percentiles."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import altair

from benchmarks.report.cells import Cell, Group
from benchmarks.report.colours import EDGE, INK, PAPER, QUIET
from benchmarks.report.drawing import WIDTH, Figure, Marks, colour, data, rows_of, shape
from benchmarks.report.metrics import (
    END_TO_END,
    GOODPUT,
    RATE,
    TPOT,
    TTFT,
    Metric,
    milliseconds,
    spread_of,
)

HEIGHT = 210
WIDE = 8.0
"""Ratio of the greatest latency to the least above which an axis is logarithmic."""
SPREAD = (
    "Bars are the median over the valid repeats, whiskers run from the least to the greatest of "
    "them; a bar without a whisker is one repeat."
)
PERCENTILES = ("p50", "p90", "p99")


def figures(group: Group, marks: Marks) -> Iterator[Figure]:
    """Yields the figures of one condition, but none of what was not measured."""
    for metric in (RATE, TTFT, TPOT, END_TO_END, GOODPUT):
        if any(cell.spread(metric) for cell in group.measured):
            yield bars(group, metric, marks)
    yield curve(group, marks)
    for name, title in (
        ("ttft", "Time to first token"),
        ("tpot", "Time per output token"),
        ("gap", gap_title(group)),
    ):
        if (figure := percentiles(group, name, title, marks)) is not None:
            yield figure


def bars(group: Group, metric: Metric, marks: Marks) -> Figure:
    records: list[dict[str, Any]] = [
        {
            "backend": cell.backend,
            "level": _level(cell),
            "value": spread.median,
            "low": spread.low,
            "high": spread.high,
            "repeats": spread.count,
        }
        for cell in group.measured
        if (spread := cell.spread(metric)) is not None
    ]
    marks = {record["backend"]: marks[record["backend"]] for record in records}
    base = altair.Chart(data(records)).encode(
        x=altair.X("level:N", sort=None, title=_axis(group), scale=altair.Scale(paddingInner=0.18)),
        xOffset=altair.XOffset("backend:N", scale=altair.Scale(domain=sorted(marks))),
        y=altair.Y("value:Q", title=metric.unit, scale=altair.Scale(zero=True)),
    )
    whiskers = base.transform_filter("datum.repeats > 1").encode(
        y=altair.Y("low:Q", title=metric.unit), y2="high:Q"
    )
    layers = (
        base.mark_bar().encode(color=colour(marks)),
        whiskers.mark_rule(color=PAPER.light, strokeWidth=4.5),
        whiskers.mark_rule(color=INK.light, strokeWidth=1.5),
        base.mark_point(filled=True, size=44, opacity=1, yOffset=-9).encode(
            y=altair.Y("high:Q", title=metric.unit), color=colour(marks), shape=shape(marks)
        ),
    )
    head = {
        "level": _axis(group),
        "backend": "backend",
        "value": f"median, {metric.unit}",
        "low": "least",
        "high": "greatest",
        "repeats": "repeats",
    }
    return Figure(
        key=f"{metric.key}-{group.condition.key}",
        title=metric.title,
        caption=f"By {_axis(group)} and backend, on the plateau. {_limits(group, metric)}{SPREAD}",
        chart=altair.layer(*layers).properties(width=WIDTH, height=HEIGHT),
        head=tuple(head.values()),
        rows=rows_of(records, head),
    )


def curve(group: Group, marks: Marks) -> Figure:
    """Returns the latency of each rate; a backend's points are its levels of load."""
    records: list[dict[str, Any]] = [
        {
            "backend": cell.backend,
            "level": _level(cell),
            "order": cell.level,
            "rate": rate.median,
            "ttft": ttft.median,
        }
        for cell in group.measured
        if (rate := cell.spread(RATE)) is not None and (ttft := cell.spread(TTFT)) is not None
    ]
    marks = {record["backend"]: marks[record["backend"]] for record in records}
    base = altair.Chart(data(records)).encode(
        x=altair.X("rate:Q", title=f"{RATE.title}, {RATE.unit}", axis=altair.Axis(tickCount=5)),
        y=_latency([record["ttft"] for record in records]),
    )
    layers = (
        base.mark_line(strokeWidth=1.75, opacity=0.85).encode(order="order:Q", color=colour(marks)),
        base.mark_point(filled=True, size=64, opacity=1).encode(
            color=colour(marks), shape=shape(marks)
        ),
        base.mark_text(dy=-11, color=QUIET.light).encode(text="level:N"),
    )
    head = {
        "backend": "backend",
        "level": _axis(group),
        "rate": f"rate, {RATE.unit}",
        "ttft": "TTFT, ms",
    }
    return Figure(
        key=f"curve-{group.condition.key}",
        title="Latency against throughput",
        caption=(
            f"Medians over the repeats; the number at a point is its {_axis(group)}. "
            "Down and to the right is better."
        ),
        chart=altair.layer(*layers).properties(width=WIDTH, height=HEIGHT + 30),
        head=tuple(head.values()),
        rows=rows_of(records, head),
    )


def percentiles(group: Group, name: str, title: str, marks: Marks) -> Figure | None:
    records: list[dict[str, Any]] = [
        {"backend": cell.backend, "level": cell.load, **values}
        for cell in group.measured
        if (values := _percentiles(cell, name))
    ]
    if not records:
        return None
    marks = {str(record["backend"]): marks[str(record["backend"])] for record in records}
    base = altair.Chart().encode(y=altair.Y("backend:N", title=None, axis=altair.Axis(grid=False)))
    ends = [float(record[percentile]) for record in records for percentile in ("p50", "p99")]
    position = _milliseconds_axis(ends)
    middle = base.encode(x=altair.X("p50:Q", **position), color=colour(marks, legend=False))
    layers = (
        middle.mark_rule(strokeWidth=3, opacity=0.55).encode(x2="p99:Q"),
        middle.mark_point(filled=True, size=70, opacity=1).encode(shape=shape(marks, legend=False)),
        middle.mark_tick(thickness=2.5, size=12).encode(x=altair.X("p90:Q", **position)),
        middle.mark_tick(thickness=2.5, size=20).encode(x=altair.X("p99:Q", **position)),
    )
    chart = altair.layer(*layers, data=data(records)).properties(
        width=WIDTH - 50, height=altair.Step(24)
    )
    head = {"level": _axis(group), "backend": "backend"} | {p: f"{p}, ms" for p in PERCENTILES}
    return Figure(
        key=f"{name}-percentiles-{group.condition.key}",
        title=f"{title}: percentiles",
        caption=(
            "The shape is p50, the short stroke p90, the long one p99; each the median over the "
            "repeats."
        ),
        chart=chart.facet(
            facet=altair.Facet(
                "level:N",
                sort=list(dict.fromkeys(cell.load for cell in group.measured)),
                title=None,
                header=altair.Header(labelAnchor="start", labelColor=EDGE.light),
            ),
            columns=1,
            spacing=14,
        ).resolve_scale(y="independent"),
        head=tuple(head.values()),
        rows=rows_of(records, head),
    )


def _milliseconds_axis(values: Sequence[float]) -> dict[str, Any]:
    """Returns how an axis shows the values: logarithmic where they are far apart."""
    if not 0 < WIDE * min(values) < max(values):
        linear = altair.Scale(zero=False)
        return {"title": "ms", "scale": linear, "axis": altair.Axis(grid=True)}
    return {
        "title": "ms (logarithmic)",
        "scale": altair.Scale(type="log", nice=False, padding=10),
        "axis": altair.Axis(grid=True, values=logarithmic_ticks(values)),
    }


def gap_title(group: Group) -> str:
    """Returns what gaps are called: inter-token latency only where every chunk held one token."""
    counts = [result.plateau.tokens_per_chunk for cell in group.cells for result in cell.valid]
    if counts and all(count is not None and abs(count - 1) < 0.01 for count in counts):
        return "Inter-token latency (ITL)"
    return "Time between chunks"


def _percentiles(cell: Cell, name: str) -> dict[str, float]:
    medians = {}
    for percentile in PERCENTILES:
        values = [
            value
            for result in cell.valid
            if (value := milliseconds(getattr(result.plateau, name), percentile)) is not None
        ]
        if values:
            medians[percentile] = spread_of(values).median
    return medians


def logarithmic_ticks(values: Sequence[float]) -> list[float]:
    """Returns 1, 2 and 5 of each power of ten between the least and the greatest value.

    All values are above zero.
    """
    powers = range(math.floor(math.log10(min(values))), math.ceil(math.log10(max(values))) + 1)
    ticks = [float(f"{digit}e{power}") for power in powers for digit in (1, 2, 5)]
    return [tick for tick in ticks if min(values) <= tick <= max(values)]


def _latency(values: Sequence[float]) -> Any:
    """Returns an axis that is logarithmic where slow values would hide how fast ones differ."""
    if not values or min(values) <= 0 or max(values) < WIDE * min(values):
        return altair.Y("ttft:Q", title="TTFT, median, ms")
    return altair.Y(
        "ttft:Q",
        title="TTFT, median, ms (logarithmic)",
        scale=altair.Scale(type="log", nice=False, padding=16),
        axis=altair.Axis(values=logarithmic_ticks(values)),
    )


def _limits(group: Group, metric: Metric) -> str:
    if metric is not GOODPUT:
        return ""
    load = group.measured[0].valid[0].load
    limits = (
        ("TTFT", load.limits.ttft),
        ("TPOT", load.limits.tpot),
        ("whole request", load.limits.end_to_end),
    )
    texts = [f"{name} {1000 * limit:g} ms" for name, limit in limits if limit is not None]
    return f"The limits: {', '.join(texts)}. " if texts else ""


def _axis(group: Group) -> str:
    return group.unit


def _level(cell: Cell) -> str:
    return f"{cell.level:g}"
