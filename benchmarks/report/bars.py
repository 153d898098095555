"""Bars of one metric: a panel for each level of load, a bar with its value for each backend."""

from collections.abc import Mapping
from typing import Any

import altair

from benchmarks.report.cells import Cell, Group
from benchmarks.report.colours import EDGE, INK, PAPER, QUIET
from benchmarks.report.controls import competes
from benchmarks.report.drawing import WIDTH, Figure, Marks, colour, data, rows_of
from benchmarks.report.metrics import GOODPUT, Metric
from benchmarks.report.references import Reference
from benchmarks.report.wording import limits_text, number

SPREAD = (
    "Bars are the median over the valid repeats, whiskers run from the least to the greatest of "
    "them; a bar without a whisker is one repeat."
)
ROOM = 1.22
"""The length of the axis beside the longest bar, for the value at its end."""
NAMES = 90
"""Pixels on the left of the bars, for the names."""


def bars(
    group: Group, metric: Metric, marks: Marks, published: Mapping[tuple[str, float], Reference]
) -> Figure:
    """Returns the bars of the metric; `published` are figures by backend and level to be marked."""
    records = [_record(cell, metric, published.get((cell.backend, cell.level)))
               for cell in group.cells]  # fmt: skip
    ends = [record[end] for record in records for end in ("high", "published_high")]
    longest = max((end for end in ends if end is not None), default=1.0)
    marks = {str(record["backend"]): marks[str(record["backend"])] for record in records}
    head = {"level": group.unit, "backend": "backend", "value": f"median, {metric.unit}",
            "low": "least", "high": "greatest", "repeats": "repeats"}  # fmt: skip
    if published:
        head |= {"published_low": "published, from", "published_high": "to"}
    chart = altair.layer(*_layers(metric, marks, ROOM * longest), data=data(records)).properties(
        width=WIDTH - NAMES, height=altair.Step(19)
    )
    levels = list(dict.fromkeys(str(record["level"]) for record in records))
    return Figure(
        key=f"{metric.key}-{group.condition.key}",
        title=metric.title,
        caption=f"On the plateau. {_limits(group, metric)}{SPREAD}{_sources(published)}",
        chart=chart.facet(
            facet=altair.Facet("level:N", sort=levels, title=None, header=panel_header()),
            columns=1,
            spacing=10,
        ).resolve_scale(y="independent"),
        head=tuple(head.values()),
        rows=rows_of(records, head),
    )


def panel_header() -> Any:
    return altair.Header(labelAnchor="start", labelColor=QUIET.light, labelPadding=2)


def _record(cell: Cell, metric: Metric, published: Reference | None) -> dict[str, Any]:
    spread = cell.spread(metric)
    status = next((each.status for each in cell.missing), "void" if cell.void else "no value")
    return {
        "backend": cell.backend,
        "level": cell.load,
        "value": None if spread is None else spread.median,
        "low": None if spread is None else spread.low,
        "high": None if spread is None else spread.high,
        "end": 0 if spread is None else spread.high,
        "text": status if spread is None else number(spread.median),
        "repeats": 0 if spread is None else spread.count,
        "competes": competes(cell),
        "published_low": None if published is None else published.figure.low,
        "published_high": None if published is None else published.figure.high,
    }


def _layers(metric: Metric, marks: Marks, longest: float) -> tuple[Any, ...]:
    scale = altair.Scale(domain=[0, longest], nice=False)
    base = altair.Chart().encode(
        y=altair.Y("backend:N", title=None, axis=altair.Axis(grid=False, ticks=False)),
        x=altair.X("value:Q", title=metric.unit, scale=scale,
                   axis=altair.Axis(grid=True, domain=False, tickCount=4)),
    )  # fmt: skip
    measured = base.transform_filter("isValid(datum.value)")
    whiskers = base.transform_filter("datum.repeats > 1").encode(x="low:Q", x2="high:Q")
    published = base.transform_filter("isValid(datum.published_high)").encode(
        x="published_low:Q", x2="published_high:Q"
    )
    return (
        measured.mark_bar(height=13).encode(
            color=colour(marks, legend=False),
            opacity=altair.condition("datum.competes", altair.value(1.0), altair.value(0.4)),
        ),
        whiskers.mark_rule(color=PAPER.light, strokeWidth=4.5),
        whiskers.mark_rule(color=INK.light, strokeWidth=1.5),
        published.mark_rule(color=EDGE.light, strokeWidth=2),
        published.mark_tick(color=INK.light, thickness=2, size=15).encode(x="published_low:Q"),
        published.mark_tick(color=INK.light, thickness=2, size=15).encode(x="published_high:Q"),
        base.mark_text(align="left", dx=6, baseline="middle", color=QUIET.light).encode(
            x=altair.X("end:Q", title=metric.unit), text="text:N"
        ),
    )


def _limits(group: Group, metric: Metric) -> str:
    limits = limits_text(group.measured[0].valid[0].load.limits)
    return f"The limits: {limits}. " if metric is GOODPUT and limits else ""


def _sources(published: Mapping[tuple[str, float], Reference]) -> str:
    sources = {each.publication.address: each.publication for each in published.values()}
    texts = [f"{each.title}, {each.gpu}: {each.address}" for each in sources.values()]
    return f" Upright strokes are published figures ({'; '.join(texts)})." if texts else ""
