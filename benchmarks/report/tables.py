"""The report's tables: each has a head, and rows of numbers or words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat

from benchmarks.report.cells import Cell, Group
from benchmarks.report.metrics import (
    COSTS,
    GOODPUT_SHARE,
    METRICS,
    TOKENS_PER_JOULE,
    Metric,
    Spread,
    decay,
    milliseconds,
    spread_of,
)
from benchmarks.results.schema import Outcome, Phase

Value = str | float | Spread | None
PERCENTILE_COLUMNS = tuple(
    f"{name} {percentile}, ms"
    for name in ("TTFT", "TPOT", "whole request")
    for percentile in ("p90", "p99")
)
PHASES = ("ramp", "plateau", "drain")


@dataclass(frozen=True)
class Table:
    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]

    @property
    def key(self) -> str:
        """The title as an address within the page."""
        return self.title.lower().replace(" ", "-")

    @property
    def filled(self) -> "Table":
        """The table without the columns in which nothing was measured."""
        kept = [n for n in range(len(self.head)) if any(row[n] is not None for row in self.rows)]
        rows = tuple(tuple(row[n] for n in kept) for row in self.rows)
        return Table(self.title, tuple(self.head[n] for n in kept), rows)

    @property
    def numeric(self) -> tuple[bool, ...]:
        """Whether each column has numbers."""
        if not self.rows:
            return tuple(False for _ in self.head)
        return tuple(
            any(isinstance(value, float | int | Spread) for value in column)
            for column in zip(*self.rows, strict=True)
        )

    @property
    def transposed(self) -> "Table":
        """The table with its rows as columns: for few rows of many words."""
        head, *rows = zip(self.head, *self.rows, strict=True)
        return Table(self.title, tuple(map(str, head)), tuple(rows))


def summary(group: Group, scores: Mapping[str, Sequence[Value]] | None = None) -> Table:
    """Returns a row for each cell: medians over its valid repeats, with their spread. `scores` are
    columns of quality, with a value for each cell."""
    shown = [metric for metric in METRICS if any(cell.spread(metric) for cell in group.measured)]
    costs = [cost for cost in COSTS if any(cost.get(r) for c in group.measured for r in c.valid)]
    titles = (f"{metric.title}, {metric.unit}" for metric in (*shown, *costs))
    scores = scores or {}
    head = (
        "backend", group.unit, *titles, *PERCENTILE_COLUMNS, "goodput, % of the requests",
        "tokens per J", *scores, "rate, last third to first, %", "valid runs",
    )  # fmt: skip
    of_cells = zip(*scores.values(), strict=True) if scores else repeat(())
    rows = (
        _summary(cell, (*shown, *costs), own)
        for cell, own in zip(group.cells, of_cells, strict=False)
    )
    return Table("Summary", head, tuple(rows)).filled


def _summary(cell: Cell, shown: Sequence[Metric], scores: Sequence[Value]) -> tuple[Value, ...]:
    changes = [100 * change for each in cell.valid if (change := decay(each)) is not None]
    return (
        cell.backend,
        cell.level,
        *(cell.spread(metric) for metric in shown),
        *_percentiles(cell),
        *(cell.spread(metric) for metric in (GOODPUT_SHARE, TOKENS_PER_JOULE)),
        *scores,
        spread_of(changes) if changes else "–",
        f"{len(cell.valid)} of {cell.planned}",
    )


def _percentiles(cell: Cell) -> list[Spread | None]:
    """Returns p90 and p99 of what the summary has the medians of."""
    values = []
    for name in ("ttft", "tpot", "end_to_end"):
        for percentile in ("p90", "p99"):
            of_runs = [milliseconds(getattr(r.plateau, name), percentile) for r in cell.valid]
            known = [value for value in of_runs if value is not None]
            values.append(spread_of(known) if known else None)
    return values


def outcomes(group: Group) -> Table:
    """Returns how the requests of the plateaus ended, all runs of a cell together."""
    seen = {
        o for c in group.cells for r in c.runs for o, n in r.result.plateau.outcomes.items() if n
    }
    shown = [outcome for outcome in Outcome if outcome in seen]
    titles = (outcome.value.replace("_", " ") for outcome in shown)
    waited = any(r.result.plateau.error_latency for c in group.cells for r in c.runs)
    wait = ("until a failure, median, ms",) if waited else ()
    head = ("backend", group.unit, "runs", *titles, *wait)
    rows = (_outcomes(cell, shown, waited=waited) for cell in group.cells if cell.runs)
    return Table("How the requests ended", head, tuple(rows))


def _outcomes(cell: Cell, shown: Sequence[Outcome], *, waited: bool) -> tuple[Value, ...]:
    plateaus = [run.result.plateau for run in cell.runs]
    counts = [sum(plateau.outcomes.get(outcome, 0) for plateau in plateaus) for outcome in shown]
    waits = [ms for p in plateaus if (ms := milliseconds(p.error_latency)) is not None]
    wait = (spread_of(waits) if waits else None,) if waited else ()
    return (cell.backend, cell.level, len(plateaus), *counts, *wait)


def phases(group: Group) -> Table:
    """Returns the ramp, the plateau and the drain of every run."""
    head = (
        "backend", group.unit, "repeat", "phase", "tokens/s", "requests/s", "TTFT p50, ms",
        "TTFT p99, ms", "TPOT p50, ms", "tokens per chunk", "answered", "failed", "unfinished",
    )  # fmt: skip
    return Table("Every run, phase by phase", head, tuple(_phases(group)))


def _phases(group: Group) -> Iterator[tuple[Value, ...]]:
    for cell in group.cells:
        for run in cell.runs:
            for name in PHASES:
                phase: Phase | None = getattr(run.result, name)
                if phase is not None:
                    number = run.result.subject.repeat
                    yield (cell.backend, cell.level, number, name, *_phase(phase))


def _phase(phase: Phase) -> tuple[Value, ...]:
    outcomes = phase.outcomes
    ok, unfinished = outcomes.get(Outcome.OK, 0), outcomes.get(Outcome.UNFINISHED, 0)
    return (
        phase.tokens_per_second,
        phase.requests_per_second,
        milliseconds(phase.ttft),
        milliseconds(phase.ttft, "p99"),
        milliseconds(phase.tpot),
        phase.tokens_per_chunk,
        ok,
        sum(outcomes.values()) - ok - unfinished,
        unfinished,
    )
