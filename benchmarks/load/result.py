"""The result of a run, from its requests."""

from collections.abc import Sequence
from datetime import UTC, datetime

from benchmarks.environment import environment
from benchmarks.load.health import Health
from benchmarks.load.spec import Spec
from benchmarks.load.summary import phase
from benchmarks.load.verdict import verdict
from benchmarks.load.windows import phases, windows
from benchmarks.results.schema import Cost, Phase, Prompts, Request, Result, Series, Subject

HOUR = 3600
MILLION = 1e6


def started_at(start: float, now: float) -> str:
    """ISO 8601 in UTC of the monotonic stamp `start`; `now` is such a stamp of this moment."""
    return datetime.fromtimestamp(datetime.now(UTC).timestamp() - (now - start), UTC).isoformat()


def result(
    spec: Spec,
    subject: Subject,
    prompts: Prompts,
    requests: Sequence[Request],
    healths: Sequence[Health],
    *,
    end: float,
    started: str,
    interrupted: bool = False,
    series: Sequence[Series] = (),
    price_per_hour: float | None = None,
    notes: Sequence[str] = (),
) -> Result:
    """`end` is the run's last moment, in seconds from its start."""
    made = {name: phase(spec, requests, at, stop) for name, at, stop in phases(spec, end)}
    flat = made.get("plateau") or phase(spec, requests, spec.ramp, spec.duration)
    along = windows(spec, requests, end)
    return Result(
        started_at=started,
        subject=subject,
        load=spec.load,
        prompts=prompts,
        environment=environment(),
        verdict=verdict(spec, requests, along, flat, healths, interrupted=interrupted),
        ramp=made.get("ramp"),
        plateau=flat,
        drain=made.get("drain"),
        windows=along,
        series=tuple(series),
        cost=cost(flat, series, price_per_hour),
        notes=(*notes, *_rounds(prompts, requests)),
    )


def _rounds(prompts: Prompts, requests: Sequence[Request]) -> list[str]:
    """A prefix cache may know what was asked before."""
    asked = len({request.index for request in requests})
    if asked <= prompts.count:
        return []
    return [f"each of the {prompts.count} prompts was asked {asked / prompts.count:.1f} times"]


def cost(plateau: Phase, series: Sequence[Series], price_per_hour: float | None) -> Cost:
    """Of the plateau's output tokens. Energy is that of the GPUs: the sum of their mean watts."""
    rate = plateau.tokens_per_second
    watts = [
        sum(values) / len(values)
        for one in series
        if one.source == "gpu" and one.unit == "watts"
        if (values := [v for t, v in one.points if plateau.start <= t <= plateau.end])
    ]
    priced = price_per_hour is not None and rate > 0
    return Cost(
        price_per_hour=price_per_hour,
        per_million_output_tokens=(price_per_hour or 0) / HOUR / rate * MILLION if priced else None,
        joules_per_output_token=sum(watts) / rate if watts and rate > 0 else None,
    )
