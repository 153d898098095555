"""What the report shows as tables: each a head and rows of numbers or words."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.report.cells import Cell, Group
from benchmarks.report.metrics import METRICS, Metric, milliseconds
from benchmarks.report.runs import Run
from benchmarks.results.schema import Outcome, Phase

Value = str | float | None
PHASES = ("ramp", "plateau", "drain")


@dataclass(frozen=True)
class Table:
    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]


def summary(group: Group) -> Table:
    """A row for each cell: medians over its valid repeats."""
    shown = [metric for metric in METRICS if any(cell.over(metric) for cell in group.measured)]
    head = ("backend", group.unit, *(f"{m.title}, {m.unit}" for m in shown), "valid runs", "cost")
    return Table("Summary", head, tuple(_summary(cell, shown) for cell in group.cells))


def _summary(cell: Cell, shown: Sequence[Metric]) -> tuple[Value, ...]:
    medians = [None if (s := cell.over(metric)) is None else s.median for metric in shown]
    prices = [r.cost.per_million_output_tokens for r in cell.valid]
    price = next((each for each in prices if each is not None), None)
    runs = f"{len(cell.valid)} of {len(cell.runs)}"
    return (cell.backend, cell.level, *medians, runs, price)


def phases(group: Group) -> Table:
    """Every run's ramp, plateau and drain."""
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
                    repeat = run.result.subject.repeat
                    yield (cell.backend, cell.level, repeat, name, *_phase(phase))


def _phase(phase: Phase) -> tuple[Value, ...]:
    outcomes = phase.outcomes
    well, open_ = outcomes.get(Outcome.OK, 0), outcomes.get(Outcome.UNFINISHED, 0)
    return (
        phase.tokens_per_second,
        phase.requests_per_second,
        milliseconds(phase.ttft),
        milliseconds(phase.ttft, "p99"),
        milliseconds(phase.tpot),
        phase.tokens_per_chunk,
        well,
        sum(outcomes.values()) - well - open_,
        open_,
    )


def verdicts(runs: Iterable[Run]) -> Table:
    """How the client kept up, and why a run is void."""
    rows = []
    for run in runs:
        verdict = run.result.verdict
        lag = verdict.loop_lag_p99
        said = "; ".join([*verdict.reasons, *verdict.warnings, *run.result.notes])
        rows.append(
            (
                run.where,
                "valid" if verdict.valid else "void",
                None if lag is None else 1000 * lag,
                verdict.client_cpu,
                verdict.users_reached,
                said,
            )
        )
    head = ("run", "verdict", "loop lag p99, ms", "client CPU, cores", "in flight", "said")
    return Table("The client", head, tuple(rows))


def environments(runs: Iterable[Run]) -> Table:
    """Where and with what was measured, each combination once."""
    rows: dict[tuple[Value, ...], None] = {}
    for run in runs:
        where, subject = run.result.environment, run.result.subject
        settings = ", ".join(f"{name}={value}" for name, value in sorted(subject.settings.items()))
        versions = ", ".join(f"{name} {value}" for name, value in where.versions.items())
        gpus = ", ".join(where.gpus) or "no GPU"
        rows[
            (
                subject.backend,
                subject.engine or "",
                subject.backend_version or "",
                settings,
                where.host,
                where.cpus or None,
                f"{gpus}, driver {where.driver}" if where.driver else gpus,
                versions,
                where.commit or "",
            )
        ] = None
    head = (
        "backend", "engine", "version", "settings", "host", "cores", "GPUs", "versions", "commit",
    )  # fmt: skip
    return Table("Where it was measured", head, tuple(rows))
