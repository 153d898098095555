"""A trial of a tuner: one cell of a study with other settings, measured as the study would."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

from benchmarks.environment import environment
from benchmarks.results import files
from benchmarks.results.schema import Distribution, Result
from benchmarks.study.cell import LoadCell, StudyCell
from benchmarks.study.cells import cells
from benchmarks.study.client import PROGRAM
from benchmarks.study.manifest import CELLS, Manifest, RunnerStart, Status, entry, text_hash
from benchmarks.study.progress import StudyProgress
from benchmarks.study.reading import StudyPlan
from benchmarks.study.runner import Runner
from benchmarks.study.spec import StudyTarget
from benchmarks.study.yaml_text import StudyError


class Goal(NamedTuple):
    """What a tuner makes better, of a result; None where the result lacks it."""

    better: Literal["high", "low"]
    get: Callable[[Result], float | None]


GOALS: Mapping[str, Goal] = {
    "rate": Goal("high", lambda result: result.plateau.tokens_per_second),
    "goodput": Goal("high", lambda result: result.plateau.goodput),
    "ttft": Goal("low", lambda result: _median(result.plateau.ttft)),
    "tpot": Goal("low", lambda result: _median(result.plateau.tpot)),
}
TRIES = 3
"""Runs of a trial whose client was the bottleneck."""


def _median(values: Distribution | None) -> float | None:
    return None if values is None else values.p50


def target_of(plan: StudyPlan, name: str) -> StudyTarget:
    """Returns the study's entry of that name. Raises StudyError for one that cannot be tuned."""
    targets = {target.name: target for target in plan.study.backends}
    if name not in targets:
        raise StudyError(f"{plan.text.file}: has no backend {name!r}; it has {', '.join(targets)}")
    if not targets[name].is_ours:
        raise StudyError(f"{name}: only a service that the study starts can be tuned")
    return targets[name]


def trial_cell(plan: StudyPlan, target: StudyTarget) -> tuple[StudyPlan, LoadCell]:
    """Returns the study of one trial, and its cell: the highest level of the target's first model,
    quantization and system prompt. Raises StudyError."""
    one = target.model_copy(update={"repeats": 1})
    fields = {"backends": (one,), "repeats": 1, "quality": (), "exclude": (), "sweep": None}
    reduced = replace(plan, study=plan.study.model_copy(update=fields), quality=())
    loads = [cell for cell in cells(reduced) if isinstance(cell, LoadCell)]
    first = [cell for cell in loads if _same_condition(cell, reduced)]
    return reduced, max(first, key=lambda cell: cell.spec.users or cell.spec.rate or 0)


def _same_condition(cell: LoadCell, plan: StudyPlan) -> bool:
    (target,), study = plan.study.backends, plan.study
    model = (target.models or study.models)[0]
    quantization = (target.quantization or study.quantization)[0]
    system_prompt = (target.system_prompt or study.system_prompt)[0]
    return (cell.model.name, cell.quantization, cell.system_prompt) == (
        model.name,
        quantization,
        system_prompt,
    )


async def measured(
    plan: StudyPlan,
    target: StudyTarget,
    out: Path,
    goal: Goal,
    program: Sequence[str] = PROGRAM,
) -> tuple[float | None, str | None]:
    """Returns the score of one trial, or None and the reason. Raises what a Runner raises."""
    reduced, cell = trial_cell(plan, target)
    out.mkdir(parents=True, exist_ok=True)
    for _ in range(TRIES):
        runner = Runner(reduced, _manifest(reduced, cell), [cell], out, StudyProgress(), program)
        await runner.run()
        (outcome,) = runner.entries
        if outcome.status is not Status.VOID:
            break
    if outcome.status is not Status.OK:
        return None, f"{outcome.status}: {outcome.reason}"
    score = goal.get(files.read(out / CELLS / cell.id))
    return score, None if score is not None else "the run has no such value"


def _manifest(plan: StudyPlan, cell: StudyCell) -> Manifest:
    start = RunnerStart(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        command=("python", "-m", "benchmarks.tune", plan.text.file.name),
        environment=environment(),
    )
    return Manifest(
        name=plan.study.name,
        file=plan.text.file.name,
        text=plan.text.source,
        hash=text_hash(plan.text.source),
        order=plan.study.order,
        seed=plan.study.seed,
        share_service=plan.study.share_service,
        starts=(start,),
        cells=(entry(cell),),
    )
