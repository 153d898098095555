"""A sweep: runs of load at levels that a search chooses, until it knows the highest good one."""

import math
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.load.measure import measure, prepared
from benchmarks.load.search import TriedLevel, bracket, next_step
from benchmarks.load.summary import end_to_end, percentile, tpot, ttft
from benchmarks.load.sweep_spec import SweepSpec, broken_limits, set_limits
from benchmarks.results import files
from benchmarks.results.frontier import frontier_point
from benchmarks.results.schema import Outcome, Request, Result, Subject
from benchmarks.results.sweep import Sweep, SweepStep

INTERRUPTED = "it was interrupted"
VALUES = {"ttft": ttft, "tpot": tpot, "end_to_end": end_to_end}


async def sweep(spec: SweepSpec, subject: Subject, out: Path | None) -> Sweep:
    """Returns the steps and what they show. Each step's result lies in a folder of `out`, and
    sweep.json is written anew after each. Raises BadPrompts, LoadFailed and OSError."""
    spec, prompts = await prepared(spec)
    done = Sweep(
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        subject=subject,
        unit=spec.unit,
        limits=spec.limits,
        settings=spec.sweep,
    )
    while True:
        level, reason = next_step(_tried(done), spec.sweep, spec.level, whole=spec.mode == "closed")
        if level is None:
            done = done.model_copy(update={"end": reason})
            break
        print(f"{level:g} {spec.unit}: {reason}", file=sys.stderr, flush=True)
        result, requests = await measure(spec.at_level(level), prompts, subject)
        folder = f"steps/{len(done.steps) + 1:02}"
        if out is not None:
            files.write(out / folder, result, requests)
        step = judged(spec, level, reason, folder if out is not None else None, result, requests)
        kept, broke = bracket([*_tried(done), _tried_level(step)])
        steps = (*done.steps, step)
        done = done.model_copy(update={"steps": steps, "highest": kept, "lowest_broken": broke})
        if out is not None:
            files.write_sweep(out, done)
        if INTERRUPTED in step.void:
            done = done.model_copy(update={"end": INTERRUPTED})
            break
    if out is not None:
        files.write_sweep(out, done)
    return done


def judged(
    spec: SweepSpec,
    level: float,
    reason: str,
    folder: str | None,
    result: Result,
    requests: Sequence[Request],
) -> SweepStep:
    """Returns what a run says of its level, by the requests that were sent in its plateau."""
    plateau = result.plateau
    sent = [request for request in requests if plateau.start <= request.sent < plateau.end]
    percent = spec.sweep.percentile
    values = {name: _at_percentile(name, sent, percent) for name in set_limits(spec.limits)}
    broken = broken_limits(spec.limits, values)
    void = result.verdict.reasons
    answered = any(request.outcome is Outcome.OK for request in sent)
    if sent and not answered and INTERRUPTED not in void:
        void = ()  # The server answers nobody: that is not the client's fault.
    cached, asked = plateau.cached_tokens, plateau.prompt_tokens
    return SweepStep(
        level=level,
        reason=reason,
        folder=folder,
        kept=not broken and not void,
        broken=broken,
        void=void,
        values={name: None if math.isinf(value) else value for name, value in values.items()},
        requests=len(sent),
        failed=sum(request.outcome is not Outcome.OK for request in sent),
        cached=None if cached is None or not asked else cached / asked,
        frontier=frontier_point(result),
    )


def _at_percentile(name: str, sent: Sequence[Request], percent: float) -> float:
    """Returns the seconds that `percent` of the requests do not exceed. A request that failed, or
    had no end, exceeds every limit; an answer that is too short for a TPOT keeps it."""
    seconds = [
        VALUES[name](request) if request.outcome is Outcome.OK else math.inf for request in sent
    ]
    return percentile([0.0 if value is None else value for value in seconds], percent)


def _tried(sweep: Sweep) -> list[TriedLevel]:
    return [_tried_level(step) for step in sweep.steps]


def _tried_level(step: SweepStep) -> TriedLevel:
    return TriedLevel(step.level, "kept" if step.kept else "void" if step.void else "broke")
