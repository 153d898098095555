"""Tables of sweeps: the highest load within limits, and the runs by which it was found."""

from collections.abc import Sequence

from benchmarks.load.sweep_spec import LIMIT_NAMES, set_limits
from benchmarks.load.sweep_text import breaking, limits_text
from benchmarks.report.names import display_name
from benchmarks.report.tables import Table, Value
from benchmarks.results.sweep import Sweep, SweepStep


def highest_loads(sweeps: Sequence[Sweep]) -> Table:
    """Returns the answer of each sweep, with what the highest load gave there."""
    head = (
        "backend", "model", "quantization", "within", "highest", "", "tokens/s", "of a GPU",
        "of a user", "next above", "which", "runs", "end",
    )  # fmt: skip
    return Table("The highest load within limits", head, tuple(map(_answer, sweeps)))


def sweep_steps(sweeps: Sequence[Sweep]) -> Table:
    """Returns every run of every sweep, in the order of their time."""
    limits = dict.fromkeys(name for sweep in sweeps for name in set_limits(sweep.limits))
    head = ("backend", "quantization", "load", *(f"{LIMIT_NAMES[n]}, ms" for n in limits))
    head += ("tokens/s", "cost of a million tokens", "kWh of a million tokens", "in cache", "why")
    rows = [
        (*_subject(sweep)[::2], *_step(step, list(limits)))
        for sweep in sweeps
        for step in sweep.steps
    ]
    return Table("The runs of the sweeps", (*head, "judged"), tuple(rows))


def _subject(sweep: Sweep) -> tuple[str, str, str]:
    subject = sweep.subject
    return display_name(subject.backend), subject.model, subject.quantization or ""


def _answer(sweep: Sweep) -> tuple[Value, ...]:
    at = next((s for s in reversed(sweep.steps) if s.kept and s.level == sweep.highest), None)
    point = None if at is None else at.frontier
    return (
        *_subject(sweep),
        limits_text(sweep),
        sweep.highest,
        sweep.unit,
        None if point is None else point.tokens_per_second,
        None if point is None else point.per_gpu,
        None if point is None else point.per_user,
        sweep.lowest_broken,
        breaking(sweep),
        len(sweep.steps),
        sweep.end or "it was cut off",
    )


def _step(step: SweepStep, limits: Sequence[str]) -> tuple[Value, ...]:
    seconds = [step.values.get(name) for name in limits]
    point = step.frontier
    judged = "void" if step.void else "kept" if step.kept else "broken"
    return (
        step.level,
        *(None if value is None else 1000 * value for value in seconds),
        point.tokens_per_second,
        point.cost_per_million,
        point.kwh_per_million,
        None if step.cached is None else f"{step.cached:.0%}",
        step.reason,
        "; ".join((judged, *step.void)),
    )
