"""The report's tables: each has a head, and rows of numbers or words."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.report.cells import Cell, Group
from benchmarks.report.metrics import METRICS, Metric, Spread, decay, milliseconds, spread_of
from benchmarks.report.runs import Run
from benchmarks.results.schema import Outcome, Phase

Value = str | float | Spread | None
PHASES = ("ramp", "plateau", "drain")
COSTS = (
    Metric(
        key="price",
        title="Price of a million output tokens",
        unit="in the currency of the price per hour",
        better="low",
        get=lambda result: result.cost.per_million_output_tokens,
    ),
    Metric(
        key="energy",
        title="Energy",
        unit="J per output token",
        better="low",
        get=lambda result: result.cost.joules_per_output_token,
    ),
)


@dataclass(frozen=True)
class Table:
    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]


def summary(group: Group) -> Table:
    """Returns a row for each cell: medians over its valid repeats, with their spread."""
    shown = [metric for metric in METRICS if any(cell.spread(metric) for cell in group.measured)]
    costs = [cost for cost in COSTS if any(cost.get(r) for c in group.measured for r in c.valid)]
    titles = (f"{metric.title}, {metric.unit}" for metric in (*shown, *costs))
    head = ("backend", group.unit, *titles, "rate, last third to first, %", "valid runs")
    return Table("Summary", head, tuple(_summary(cell, (*shown, *costs)) for cell in group.cells))


def _summary(cell: Cell, shown: Sequence[Metric]) -> tuple[Value, ...]:
    changes = [100 * change for each in cell.valid if (change := decay(each)) is not None]
    return (
        cell.backend,
        cell.level,
        *(cell.spread(metric) for metric in shown),
        spread_of(changes) if changes else None,
        f"{len(cell.valid)} of {len(cell.runs)}",
    )


def outcomes(group: Group) -> Table:
    """Returns how the requests of the plateaus ended, all runs of a cell together."""
    seen = {
        o for c in group.cells for r in c.runs for o, n in r.result.plateau.outcomes.items() if n
    }
    shown = [outcome for outcome in Outcome if outcome in seen]
    titles = (outcome.value.replace("_", " ") for outcome in shown)
    head = ("backend", group.unit, "runs", *titles, "until a failure, median, ms")
    return Table("How the requests ended", head, tuple(_outcomes(c, shown) for c in group.cells))


def _outcomes(cell: Cell, shown: Sequence[Outcome]) -> tuple[Value, ...]:
    plateaus = [run.result.plateau for run in cell.runs]
    counts = [sum(plateau.outcomes.get(outcome, 0) for plateau in plateaus) for outcome in shown]
    waits = [ms for p in plateaus if (ms := milliseconds(p.error_latency)) is not None]
    return (cell.backend, cell.level, len(plateaus), *counts, spread_of(waits) if waits else None)


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
                    repeat = run.result.subject.repeat
                    yield (cell.backend, cell.level, repeat, name, *_phase(phase))


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


def verdicts(runs: Iterable[Run]) -> Table:
    """Returns how the client kept up, and why a run is void; the void ones come first."""
    rows = []
    for run in sorted(runs, key=lambda run: run.result.verdict.valid):
        verdict = run.result.verdict
        lag = verdict.loop_lag_p99
        remarks = "; ".join([*verdict.reasons, *verdict.warnings, *run.result.notes])
        rows.append(
            (
                run.where,
                "valid" if verdict.valid else "void",
                None if lag is None else 1000 * lag,
                verdict.client_cpu,
                verdict.users_reached,
                remarks,
            )
        )
    head = ("run", "verdict", "loop lag p99, ms", "client CPU, cores", "in flight", "said")
    return Table("The client", head, tuple(rows))


def environments(runs: Iterable[Run]) -> Table:
    """Returns where and with what the runs were measured, each combination once."""
    rows: dict[tuple[Value, ...], None] = {}
    for run in runs:
        machine, subject = run.result.environment, run.result.subject
        settings = ", ".join(f"{name}={value}" for name, value in sorted(subject.settings.items()))
        versions = ", ".join(f"{name} {value}" for name, value in machine.versions.items())
        gpus = ", ".join(machine.gpus) or "no GPU"
        rows[
            (
                subject.backend,
                subject.engine or "",
                subject.backend_version or "",
                settings,
                machine.host,
                machine.cpus or None,
                f"{gpus}, driver {machine.driver}" if machine.driver else gpus,
                versions,
                machine.commit or "",
            )
        ] = None
    head = (
        "backend", "engine", "version", "settings", "host", "cores", "GPUs", "versions", "commit",
    )  # fmt: skip
    return Table("Where it was measured", head, tuple(rows))


def prompts(runs: Iterable[Run]) -> Table:
    """Returns the prompts; runs with one hash sent the same ones in the same order."""
    counted = Counter(run.result.prompts for run in runs)
    head = ("source", "prompts", "skipped", "seed", "hash of their sequence", "runs")
    rows = ((p.source, p.count, p.skipped, p.seed, p.hash, n) for p, n in counted.items())
    return Table("The prompts", head, tuple(rows))
