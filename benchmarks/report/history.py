"""Any number of studies over time: how the figures of one place moved from one to the next."""

from collections.abc import Iterator, Sequence
from typing import Any

import altair

from benchmarks.report.cells import Cell, Group
from benchmarks.report.drawing import WIDTH, Figure, Marks, colour, data, rows_of, shape
from benchmarks.report.metrics import RATE, TTFT, Metric
from benchmarks.report.tables import Table, Value

Sets = Sequence[tuple[str, Sequence[Group]]]
"""The groups of each set of results with its name, the earliest first."""


def history(sets: Sets) -> Table:
    """Returns a row for each place that several sets measured, and a column for each set."""
    names = [name for name, _ in sets]
    rows: list[tuple[Value, ...]] = []
    for cells in _by_place(sets).values():
        last = next(cell for cell in reversed(cells) if cell is not None)
        for metric in (RATE, TTFT):
            values = [None if cell is None else cell.spread(metric) for cell in cells]
            what = f"{metric.title}, {metric.unit}"
            rows.append((last.condition.title, last.backend, last.load, what, *values))
    return Table("Over time", ("condition", "backend", "load", "metric", *names), tuple(rows))


def history_figures(sets: Sets, marks: Marks) -> Iterator[Figure]:
    """Yields the token rate and the first token of each condition over time, at its greatest
    load."""
    places = _by_place(sets)
    for group in sets[-1][1]:
        if not group.measured:
            continue
        level = group.levels[-1]
        own = {
            cell.backend: places[key]
            for cell in group.cells_at(level)
            if (key := (group.condition.key, cell.backend, level)) in places
        }
        for metric in (RATE, TTFT):
            if own:
                yield _figure(group, metric, own, [name for name, _ in sets], marks)


def _by_place(sets: Sets) -> dict[tuple[str, str, float], list[Cell | None]]:
    """Returns the cells of each place that two sets have at least, one for each set."""
    places: dict[tuple[str, str, float], list[Cell | None]] = {}
    for number, (_, groups) in enumerate(sets):
        for cell in (cell for group in groups for cell in group.measured):
            key = (cell.condition.key, cell.backend, cell.level)
            places.setdefault(key, [None] * len(sets))[number] = cell
    return {key: cells for key, cells in places.items() if len(cells) - cells.count(None) > 1}


def _figure(
    group: Group, metric: Metric, own: dict[str, list[Cell | None]], names: list[str], marks: Marks
) -> Figure:
    records: list[dict[str, Any]] = [
        {"backend": backend, "set": name, "value": spread.median, "low": spread.low,
         "high": spread.high}
        for backend, cells in own.items()
        for name, cell in zip(names, cells, strict=True)
        if cell is not None and (spread := cell.spread(metric)) is not None
    ]  # fmt: skip
    marks = {backend: marks[backend] for backend in own}
    base = altair.Chart(data(records)).encode(
        x=altair.X("set:N", sort=names, title=None, axis=altair.Axis(labelLimit=120)),
        y=altair.Y("value:Q", title=metric.unit, scale=altair.Scale(zero=True)),
        color=colour(marks),
    )
    layers = (
        base.mark_rule(strokeWidth=1.5).encode(y="low:Q", y2="high:Q"),
        base.mark_line(strokeWidth=1.75),
        base.mark_point(filled=True, size=64, opacity=1).encode(shape=shape(marks)),
    )
    head = {"backend": "backend", "set": "results", "value": f"median, {metric.unit}",
            "low": "least", "high": "greatest"}  # fmt: skip
    load = group.cells_at(group.levels[-1])[0].load
    return Figure(
        key=f"history-{metric.key}-{group.condition.key}",
        title=f"{metric.title} over time, {load}",
        caption=f"{group.condition.title}. Medians, with the range of the repeats.",
        chart=altair.layer(*layers).properties(width=WIDTH, height=200),
        head=tuple(head.values()),
        rows=rows_of(records, head),
    )
