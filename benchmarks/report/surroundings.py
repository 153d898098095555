"""Tables of what the runs were measured with: the client, machines, settings, starts, prompts."""

from collections import Counter
from collections.abc import Iterable, Sequence

from benchmarks.report.conditions import LOCATION_SETTINGS, variants
from benchmarks.report.metrics import spread_of
from benchmarks.report.names import display_name
from benchmarks.report.runs import Run, Study
from benchmarks.report.tables import Table, Value
from benchmarks.results.fairness import EQUAL, OWN
from benchmarks.results.schema import Result

DEFAULT = "default"
UNFAIR = " (should be equal)"
"""Marks what has to be the same for a fair comparison."""


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
                display_name(subject.backend),
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


def differing_settings(runs: Sequence[Run]) -> Table:
    """Returns each setting, version and part of the machine in which the backends differ, with a
    column for each backend; what is equal for all is left out."""
    names = variants([run.result.subject for run in runs])
    by_backend: dict[str, dict[str, str]] = {}
    for name, run in zip(names, runs, strict=True):
        by_backend.setdefault(name, _facts(run.result))
    facts = list(dict.fromkeys(fact for own in by_backend.values() for fact in own))
    backends = sorted(by_backend)
    rows: list[tuple[Value, ...]] = []
    for fact in facts:
        values = [by_backend[backend].get(fact, DEFAULT) for backend in backends]
        if len({*values}) > 1:
            rows.append((fact, *values))
    return Table("What differs between them", ("", *backends), tuple(rows))


def _facts(result: Result) -> dict[str, str]:
    """Returns the settings without those that say where a model lies, and the machine. A setting
    that was not given has no entry."""
    settings = result.subject.settings
    return {
        **{name: get(result) for name, get in OWN.items()},
        **{name: settings[name] for name in sorted(settings) if name not in LOCATION_SETTINGS},
        **{f"{name}{UNFAIR}": get(result) for name, get in EQUAL.items()},
    }


def starts(studies: Iterable[Study]) -> Table:
    """Returns how long the services took from their start to their readiness."""
    seconds: dict[tuple[str, str, str], list[float]] = {}
    for cell in (cell for study in studies for cell in study.cells):
        if cell.start_seconds is not None:
            key = (display_name(cell.backend), cell.model, cell.quantization)
            seconds.setdefault(key, []).append(cell.start_seconds)
    rows = [(*key, len(times), spread_of(times)) for key, times in sorted(seconds.items())]
    head = ("backend", "model", "quantization", "starts", "seconds until it was ready")
    return Table("Cold start", head, tuple(rows))


def prompts(runs: Iterable[Run]) -> Table:
    """Returns the prompts; runs with one hash sent the same ones in the same order."""
    counted = Counter(run.result.prompts for run in runs)
    head = ("source", "prompts", "skipped", "seed", "hash of their sequence", "runs")
    rows = ((p.source, p.count, p.skipped, p.seed, p.hash, n) for p, n in counted.items())
    return Table("The prompts", head, tuple(rows))
