"""The figures of one condition: bars and percentiles."""

from collections.abc import Iterator, Sequence
from typing import Any

import altair

from benchmarks.report.bars import bars, panel_header
from benchmarks.report.cells import Cell, Group
from benchmarks.report.curves import WIDE, logarithmic_ticks
from benchmarks.report.drawing import WIDTH, Figure, Marks, colour, data, rows_of, shape
from benchmarks.report.metrics import (
    END_TO_END,
    GOODPUT,
    PER_USER,
    RATE,
    TPOT,
    TTFT,
    milliseconds,
    spread_of,
)
from benchmarks.report.references import references

PERCENTILES = ("p50", "p90", "p99")


def figures(group: Group, marks: Marks) -> Iterator[Figure]:
    """Yields the figures of one condition, but none of what was not measured."""
    for metric in (RATE, TTFT, PER_USER, TPOT, END_TO_END, GOODPUT):
        if any(cell.spread(metric) for cell in group.measured):
            yield bars(group, metric, marks, references(group, metric))
    for name, title in (
        ("ttft", "Time to first token"),
        ("tpot", "Time per output token"),
        ("gap", gap_title(group)),
    ):
        if (figure := percentiles(group, name, title, marks)) is not None:
            yield figure


def percentiles(group: Group, name: str, title: str, marks: Marks) -> Figure | None:
    records: list[dict[str, Any]] = [
        {"backend": cell.backend, "level": cell.load, **values}
        for cell in group.measured
        if (values := percentile_medians(cell, name))
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
    head = {"level": group.unit, "backend": "backend"} | {p: f"{p}, ms" for p in PERCENTILES}
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
                header=panel_header(),
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


def percentile_medians(cell: Cell, name: str) -> dict[str, float]:
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
