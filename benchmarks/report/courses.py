"""The figures with a time axis: the rate in windows, and the machine beside it."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import altair

from benchmarks.report.cells import Cell, Group
from benchmarks.report.colours import EDGE, Mark
from benchmarks.report.drawing import WIDTH, Figure, colour, data, rows_of, shape
from benchmarks.results.schema import Result, Series

Marks = Mapping[str, Mark]
POINTS = 8
"""Shapes along a line, so that it is told apart without its colour."""
MACHINE = {"gpu": "GPU utilization, %", "cpu": "CPU of the API process, cores"}


def courses(group: Group, marks: Marks) -> Iterator[Figure]:
    """Of each level of load."""
    for level in group.levels:
        cells = group.at(level)
        yield rate(group, cells, marks)
        if (figure := machine(group, cells, marks)) is not None:
            yield figure


def rate(group: Group, cells: Sequence[Cell], marks: Marks) -> Figure:
    records = [record for cell in cells for record in _windows(cell)]
    marks = {cell.backend: marks[cell.backend] for cell in cells}
    seconds = cells[0].valid[0].load.window
    base = altair.Chart(data(records)).encode(
        x=altair.X("time:Q", title="seconds since the start", axis=altair.Axis(tickCount=6)),
        y=altair.Y("value:Q", title="tokens/s"),
        color=colour(marks),
    )
    layers = (
        base.mark_area(opacity=0.16).encode(y=altair.Y("low:Q", title="tokens/s"), y2="high:Q"),
        base.mark_line(strokeWidth=1.75),
        _shapes(base, marks),
        _bounds(cells[0].valid[0]),
    )
    head = {
        "backend": "backend",
        "time": "window from, s",
        "value": "tokens/s",
        "low": "least",
        "high": "greatest",
        "phase": "phase",
    }
    return Figure(
        key=f"course-{cells[0].level:g}-{group.condition.key}".replace(".", "_"),
        title=f"Token rate over time, {cells[0].load}",
        caption=(
            f"Tokens by their arrival in windows of {seconds:g} s: the median over the repeats, "
            "with a band from the least to the greatest. Dashed: where the plateau begins and ends."
        ),
        chart=altair.layer(*layers).properties(width=WIDTH, height=190),
        head=tuple(head.values()),
        rows=rows_of(records, head),
    )


def machine(group: Group, cells: Sequence[Cell], marks: Marks) -> Figure | None:
    """Of the first valid repeat of each backend; None where nothing was sampled."""
    chosen = [(cell.backend, cell.valid[0]) for cell in cells]
    records = [
        {"backend": backend, "what": what, **point}
        for backend, result in chosen
        for what in MACHINE
        for point in _sampled(result, what)
    ]
    if not records:
        return None
    present = [what for what in MACHINE if any(record["what"] == what for record in records)]
    rates = [
        {
            "backend": backend,
            "what": "rate",
            "time": window.start,
            "value": window.tokens_per_second,
        }
        for backend, result in chosen
        for window in result.windows
    ]
    marks = {backend: marks[backend] for backend, _ in chosen}
    everything = _thinned(rates) + records
    end = max(float(record["time"]) for record in everything)
    panels = [
        _panel([r for r in everything if r["what"] == what], title, end, marks, last)
        for what, title, last in _panels(present)
    ]
    absent = [] if "gpu" in present else ["no GPU was sampled"]
    absent += [] if "cpu" in present else ["no process was sampled"]
    head = {"backend": "backend", "what": "what", "time": "time, s", "value": "value"}
    return Figure(
        key=f"machine-{cells[0].level:g}-{group.condition.key}".replace(".", "_"),
        title=f"The machine beside the rate, {cells[0].load}",
        caption=(
            "The first valid repeat of each backend; averages over its windows. A busy API process "
            "beside an idle GPU is a bottleneck outside the engine."
            + (f" Not drawn: {', '.join(absent)}." if absent else "")
        ),
        chart=altair.vconcat(*panels, spacing=8),
        head=tuple(head.values()),
        rows=rows_of(everything, head),
    )


def _panels(present: Sequence[str]) -> list[tuple[str, str, bool]]:
    titles = {"rate": "Token rate, tokens/s"} | {what: MACHINE[what] for what in present}
    return [(what, title, what == list(titles)[-1]) for what, title in titles.items()]


def _panel(records: list[dict[str, Any]], title: str, end: float, marks: Marks, last: bool) -> Any:
    records = _thinned(records)
    base = altair.Chart(data(records)).encode(
        x=altair.X(
            "time:Q",
            title="seconds since the start" if last else None,
            scale=altair.Scale(domain=[0, end], nice=False),
            axis=altair.Axis(tickCount=6, labels=last),
        ),
        y=altair.Y("value:Q", title=None, axis=altair.Axis(tickCount=3)),
        color=colour(marks, legend=False),
    )
    lines = base.mark_line(strokeWidth=1.5)
    layers = altair.layer(lines, _shapes(base, marks, legend=title.startswith("Token")))
    return layers.properties(
        width=WIDTH, height=88, title=altair.TitleParams(title, anchor="start")
    )


def _shapes(base: Any, marks: Marks, *, legend: bool = True) -> Any:
    return (
        base.transform_filter("datum.shown")
        .mark_point(filled=True, size=42, opacity=1)
        .encode(shape=shape(marks, legend=legend), color=colour(marks, legend=legend))
    )


def _bounds(result: Result) -> Any:
    bounds = [{"time": result.plateau.start}, {"time": result.plateau.end}]
    return (
        altair.Chart(data(bounds)).mark_rule(color=EDGE.light, strokeDash=[3, 3]).encode(x="time:Q")
    )


def _windows(cell: Cell) -> list[dict[str, Any]]:
    """Window by window over the repeats, as far as they all go."""
    repeats = [result.windows for result in cell.valid]
    found: list[dict[str, Any]] = []
    for at in zip(*repeats, strict=False):
        values = [window.tokens_per_second for window in at]
        found.append(
            {
                "backend": cell.backend,
                "time": at[0].start,
                "value": statistics.median(values),
                "low": min(values),
                "high": max(values),
                "phase": at[0].phase,
            }
        )
    return _thinned(found)


def _thinned(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Some are marked to be shown with their shape."""
    by_backend: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        by_backend.setdefault(record["backend"], []).append(record)
    for place, mine in enumerate(by_backend.values()):
        step = max(1, len(mine) // POINTS)
        offset = place * step // max(1, len(by_backend))
        for number, record in enumerate(mine):
            record["shown"] = number % step == offset
    return records


def _sampled(result: Result, what: str) -> list[dict[str, Any]]:
    """Averages in the windows of the run; GPUs are averaged, processes of one role added up."""
    series = [one for one in result.series if _is(one, what)]
    found = []
    for window in result.windows:
        means = [
            statistics.fmean(inside)
            for one in series
            if (
                inside := [
                    value
                    for time, value in one.points
                    if window.start <= time < window.start + window.seconds
                ]
            )
        ]
        if means:
            value = 100 * statistics.fmean(means) if what == "gpu" else sum(means)
            found.append({"time": window.start, "value": value})
    return found


def _is(series: Series, what: str) -> bool:
    if what == "gpu":
        return series.source == "gpu" and series.name == "utilization"
    return (
        series.source == "process"
        and series.name == "cpu"
        and series.labels.get("role", "api") == "api"
    )
