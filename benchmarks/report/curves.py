"""The figures in which a backend is a curve through its levels of load."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import altair

from benchmarks.report.cells import Group
from benchmarks.report.colours import QUIET
from benchmarks.report.drawing import WIDTH, Figure, Marks, colour, data, rows_of, shape
from benchmarks.report.labels import Axis, offsets
from benchmarks.report.metrics import END_TO_END, RATE, TTFT, Metric

HEIGHT = 240
WIDE = 8.0
"""Ratio of the greatest latency to the least above which an axis is logarithmic."""


def latency_curves(group: Group, marks: Marks) -> Iterator[Figure]:
    """Yields the latencies of each token rate."""
    names = {TTFT: "First token", END_TO_END: "Whole request"}
    for metric, name in names.items():
        records: list[dict[str, Any]] = [
            {"backend": cell.backend, "level": f"{cell.level:g}", "order": cell.level,
             "x": rate.median, "y": latency.median}
            for cell in group.measured
            if (rate := cell.spread(RATE)) and (latency := cell.spread(metric))
        ]  # fmt: skip
        if records:
            yield _latency_curve(group, metric, name, records, marks)


def _latency_curve(
    group: Group, metric: Metric, name: str, records: list[dict[str, Any]], marks: Marks
) -> Figure:
    titles = (f"{RATE.title}, {RATE.unit}", f"{metric.title}, {metric.unit}")
    head = {"backend": "backend", "level": group.unit, "x": titles[0], "y": titles[1]}
    return Figure(
        key=f"curve-{metric.key}-{group.condition.key}",
        title=f"{name} against throughput",
        caption=(
            f"Medians over the repeats; the number at a point is its {group.unit}. "
            "Down and to the right is better."
        ),
        chart=curve_chart(records, titles, marks),
        head=tuple(head.values()),
        rows=rows_of(records, head),
    )


def curve_chart(
    records: Sequence[dict[str, Any]],
    titles: tuple[str, str],
    marks: Marks,
    below: Sequence[Any] = (),
) -> Any:
    """Returns lines through the records' `x` and `y`, each point with its `level`; `below` are
    layers under them."""
    marks = {record["backend"]: marks[record["backend"]] for record in records}
    x, y = axes(records)
    _place_labels(records, x, y)
    base = altair.Chart(data(records)).encode(
        x=altair.X("x:Q", title=titles[0], scale=_scale(x), axis=altair.Axis(tickCount=5)),
        y=altair.Y("y:Q", title=_title(titles[1], y), scale=_scale(y), axis=_ticks(y)),
    )
    layers = (
        *below,
        base.mark_line(strokeWidth=1.75, opacity=0.85).encode(order="order:Q", color=colour(marks)),
        base.mark_point(filled=True, size=64, opacity=1).encode(
            color=colour(marks), shape=shape(marks)
        ),
        base.mark_text(
            dx=altair.ExprRef("datum.right"),
            dy=altair.ExprRef("datum.down"),
            baseline="middle",
            color=QUIET.light,
        ).encode(text="level:N"),
    )
    return altair.layer(*layers).properties(width=WIDTH, height=HEIGHT)


def axes(records: Sequence[Mapping[str, Any]]) -> tuple[Axis, Axis]:
    """Returns those of `x` and `y`, with room for the labels at the greatest values."""
    highest = max(record["x"] for record in records)
    values = [record["y"] for record in records]
    low, high = min(values), max(values)
    if 0 < WIDE * low < high:
        return Axis(0, 1.1 * highest, WIDTH), Axis(low / 1.4, high * 1.4, HEIGHT, True, True)
    return Axis(0, 1.1 * highest, WIDTH), Axis(0, 1.12 * high, HEIGHT, reverse=True)


def _place_labels(records: Sequence[dict[str, Any]], x: Axis, y: Axis) -> None:
    """Adds to each record how far from its point its label lies."""
    points = [(x.pixel(record["x"]), y.pixel(record["y"])) for record in records]
    lines: dict[str, list[tuple[float, float]]] = {}
    ordered = sorted(zip(records, points, strict=True), key=lambda each: float(each[0]["order"]))
    for record, point in ordered:
        lines.setdefault(record["backend"], []).append(point)
    texts = [record["level"] for record in records]
    placed = offsets(points, texts, [*lines.values()], x.pixels, y.pixels)
    for record, (right, down) in zip(records, placed, strict=True):
        record |= {"right": right, "down": down}


def _scale(axis: Axis) -> Any:
    domain = [axis.low, axis.high]
    if axis.logarithmic:
        return altair.Scale(type="log", domain=domain, nice=False)
    return altair.Scale(domain=domain, nice=False)


def _title(title: str, axis: Axis) -> str:
    return f"{title} (logarithmic)" if axis.logarithmic else title


def _ticks(axis: Axis) -> Any:
    if axis.logarithmic:
        return altair.Axis(values=logarithmic_ticks([axis.low, axis.high]))
    return altair.Axis(tickCount=5)


def logarithmic_ticks(values: Sequence[float]) -> list[float]:
    """Returns 1, 2 and 5 of each power of ten between the least and the greatest value.

    All values are above zero.
    """
    powers = range(math.floor(math.log10(min(values))), math.ceil(math.log10(max(values))) + 1)
    ticks = [float(f"{digit}e{power}") for power in powers for digit in (1, 2, 5)]
    return [tick for tick in ticks if min(values) <= tick <= max(values)]
