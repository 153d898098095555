"""The result of a run, from its requests; and in a few lines, for a person."""

from collections.abc import Sequence
from datetime import UTC, datetime

from benchmarks.environment import environment
from benchmarks.load.run import WorkerResult
from benchmarks.load.spec import Spec
from benchmarks.load.summary import phase, phase_bounds, windows
from benchmarks.load.verdict import verdict
from benchmarks.results.schema import (
    Cost,
    Distribution,
    Phase,
    Prompts,
    Request,
    Result,
    Series,
    Subject,
)

HOUR = 3600
MILLION = 1e6


def started_at(start: float, now: float) -> str:
    """Returns the monotonic stamp `start` in ISO 8601, in UTC; `now` is such a stamp of this
    moment."""
    return datetime.fromtimestamp(datetime.now(UTC).timestamp() - (now - start), UTC).isoformat()


def result(
    spec: Spec,
    subject: Subject,
    prompts: Prompts,
    parts: Sequence[WorkerResult],
    *,
    started: str,
    series: Sequence[Series] = (),
    notes: Sequence[str] = (),
) -> tuple[Result, list[Request]]:
    """Returns the result of what all client processes measured, and their requests in the order of
    their ends."""
    requests = sorted((r for part in parts for r in part.requests), key=lambda r: r.ended)
    end = max(part.end for part in parts)
    phases = {name: phase(spec, requests, *bounds) for name, *bounds in phase_bounds(spec, end)}
    plateau = phases.get("plateau") or phase(spec, requests, spec.ramp, spec.duration)
    along = windows(spec, requests, end)
    judged = verdict(
        spec,
        requests,
        along,
        plateau,
        [part.health for part in parts],
        interrupted=any(part.interrupted for part in parts),
    )
    finished = Result(
        started_at=started,
        subject=subject,
        load=spec.for_result(prompts.source),
        prompts=prompts,
        environment=environment(),
        verdict=judged,
        ramp=phases.get("ramp"),
        plateau=plateau,
        drain=phases.get("drain"),
        windows=along,
        series=tuple(series),
        cost=cost(plateau, series, spec.price_per_hour),
        notes=(*notes, *_repetitions(prompts, requests)),
    )
    return finished, requests


def _repetitions(prompts: Prompts, requests: Sequence[Request]) -> list[str]:
    """Returns a note where prompts were asked more than once: a prefix cache may know them."""
    count = len({request.index for request in requests})
    if count <= prompts.count:
        return []
    return [f"each of the {prompts.count} prompts was asked {count / prompts.count:.1f} times"]


def cost(plateau: Phase, series: Sequence[Series], price_per_hour: float | None) -> Cost:
    """Returns the cost of the plateau's output tokens. Energy is that of the GPUs: the sum of their
    mean watts."""
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


def summary_text(result: Result) -> str:
    """Returns what the plateau gave, line by line, with times in milliseconds."""
    plateau, verdict = result.plateau, result.verdict
    lines = [
        f"{plateau.tokens_per_second:,.1f} tokens/s, {plateau.requests_per_second:.2f} requests/s, "
        f"{verdict.users_reached:.1f} in flight ({result.subject.backend}, {result.subject.model})",
        *_latencies(plateau),
        f"outcomes: {', '.join(f'{n} {name}' for name, n in plateau.outcomes.items()) or 'none'}",
    ]
    if plateau.goodput is not None:
        lines.append(f"goodput: {plateau.goodput:.2f} requests/s within the limits")
    price = result.cost.per_million_output_tokens
    if price is not None:
        lines.append(f"cost: {price:.2f} per million output tokens")
    lines += [f"warning: {warning}" for warning in verdict.warnings]
    lines += [f"void: {reason}" for reason in verdict.reasons]
    return "\n".join(lines)


def _latencies(plateau: Phase) -> list[str]:
    rows = {
        "TTFT": plateau.ttft,
        "TPOT": plateau.tpot,
        _gap_name(plateau): plateau.gap,
        "end to end": plateau.end_to_end,
    }
    return [_row(name, values) for name, values in rows.items() if values is not None]


def _gap_name(plateau: Phase) -> str:
    """Returns what a gap between chunks is: of several tokens it is no inter-token latency."""
    each = plateau.tokens_per_chunk
    return "ITL" if each is not None and abs(each - 1) < 0.01 else "inter-chunk"


def _row(name: str, values: Distribution) -> str:
    columns = {"mean": values.mean, "p50": values.p50, "p90": values.p90, "p99": values.p99}
    return f"{name:>12}: " + ", ".join(f"{key} {at * 1000:,.1f} ms" for key, at in columns.items())
