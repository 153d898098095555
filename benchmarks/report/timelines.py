"""The figures with a time axis: the rate in windows, and the machine beside it."""

import statistics
from collections.abc import Iterator, Sequence
from typing import Any

import altair

from benchmarks.report.cells import Cell, Group
from benchmarks.report.colours import EDGE
from benchmarks.report.drawing import WIDTH, Figure, Marks, colour, data, rows_of, shape
from benchmarks.results.schema import Result, Series

POINTS = 8
"""How many shapes a line has, which distinguish it without its colour."""
MACHINE = {"gpu": "GPU utilization, %", "cpu": "CPU of the API process, cores"}


def timelines(group: Group, marks: Marks) -> Iterator[Figure]:
    """Yields the figures of each level of load."""
    for level in group.levels:
        cells = group.cells_at(level)
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
    """Returns what was sampled beside the first valid repeat of each backend, or None."""
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
    rates = [record for backend, result in chosen for record in _rates(backend, result)]
    marks = {backend: marks[backend] for backend, _ in chosen}
    everything = _with_shapes(rates) + records
    end = max(float(record["time"]) for record in everything)
    panels = [
        _panel(
            [record for record in everything if record["what"] == what],
            title,
            end,
            marks,
            first=what == "rate",
            last=what == present[-1],
        )
        for what, title in {"rate": "Token rate, tokens/s", **MACHINE}.items()
        if what == "rate" or what in present
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
        chart=altair.vconcat(*panels, spacing=8).resolve_scale(
            color="independent", shape="independent"
        ),
        head=tuple(head.values()),
        rows=rows_of(everything, head),
    )


def _rates(backend: str, result: Result) -> list[dict[str, Any]]:
    return [
        {"backend": backend, "what": "rate", "time": w.start, "value": w.tokens_per_second}
        for w in result.windows
    ]


def _panel(
    records: list[dict[str, Any]], title: str, end: float, marks: Marks, *, first: bool, last: bool
) -> Any:
    records = _with_shapes(records)
    base = altair.Chart(data(records)).encode(
        x=altair.X(
            "time:Q",
            title="seconds since the start" if last else None,
            scale=altair.Scale(domain=[0, end], nice=False),
            axis=altair.Axis(tickCount=6, labels=last),
        ),
        y=altair.Y("value:Q", title=None, axis=altair.Axis(tickCount=3)),
        color=colour(marks, legend=first),
    )
    layers = altair.layer(base.mark_line(strokeWidth=1.5), _shapes(base, marks, legend=first))
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
    """Returns a record for each window that all repeats have."""
    repeats = [result.windows for result in cell.valid]
    records: list[dict[str, Any]] = []
    for same in zip(*repeats, strict=False):
        values = [window.tokens_per_second for window in same]
        records.append(
            {
                "backend": cell.backend,
                "time": same[0].start,
                "value": statistics.median(values),
                "low": min(values),
                "high": max(values),
                "phase": same[0].phase,
            }
        )
    return _with_shapes(records)


def _with_shapes(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the records, of which some are marked to be drawn with their shape."""
    by_backend: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        by_backend.setdefault(record["backend"], []).append(record)
    for index, own in enumerate(by_backend.values()):
        step = max(1, len(own) // POINTS)
        offset = index * step // max(1, len(by_backend))
        for number, record in enumerate(own):
            record["shown"] = number % step == offset
    return records


def _sampled(result: Result, what: str) -> list[dict[str, Any]]:
    """Returns averages in the run's windows: the mean of the GPUs, the sum of the processes."""
    series = [one for one in result.series if _matches(one, what)]
    records = []
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
            records.append({"time": window.start, "value": value})
    return records


def _matches(series: Series, what: str) -> bool:
    if what == "gpu":
        return series.source == "gpu" and series.name == "utilization"
    return (
        series.source == "process"
        and series.name == "cpu"
        and series.labels.get("role", "api") == "api"
    )
