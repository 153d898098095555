"""The result of a run, from its requests; and in a few lines, for a person."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from benchmarks.load.run import WorkerResult
from benchmarks.load.spec import Spec
from benchmarks.load.summary import phase, phase_bounds, windows
from benchmarks.load.verdict import verdict
from benchmarks.prompts import PromptSet
from benchmarks.results.schema import (
    Cost,
    Distribution,
    Environment,
    Phase,
    Prompts,
    Request,
    Result,
    Series,
    Subject,
    Warmth,
)

HOUR = 3600
MILLION = 1e6
SLOW_TIMES, SLOW_SECONDS = 3, 1.0
"""By how much the first token of the first request has to be later than that of the last."""


def started_at(start: float, now: float) -> str:
    """Returns the monotonic stamp `start` in ISO 8601, in UTC; `now` is such a stamp of this
    moment."""
    return datetime.fromtimestamp(datetime.now(UTC).timestamp() - (now - start), UTC).isoformat()


def drawn(prompts: PromptSet, seed: int, token_ids: str | None = None) -> Prompts:
    """Returns what a result says of the prompts that a run with this seed drew; `token_ids` is the
    hash of those that the endpoint makes of them."""
    return Prompts(
        source=prompts.source,
        count=len(prompts.prompts),
        skipped=prompts.skipped,
        hash=prompts.order(seed).hash,
        seed=seed,
        token_ids=token_ids,
    )


def result(
    spec: Spec,
    subject: Subject,
    prompts: Prompts,
    parts: Sequence[WorkerResult],
    *,
    started: str,
    environment: Environment,
    client: Literal["load", "aiperf", "vllm-bench"] = "load",
    series: Sequence[Series] = (),
    warmth: Warmth | None = None,
    notes: Sequence[str] = (),
) -> tuple[Result, list[Request]]:
    """Returns the result of what all client processes measured, and their requests in the order of
    their ends. `started` is in ISO 8601."""
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
        [part.health for part in parts if part.health is not None],
        interrupted=any(part.interrupted for part in parts),
    )
    finished = Result(
        started_at=started,
        client=client,
        subject=subject,
        load=spec.for_result(prompts.source),
        prompts=prompts,
        environment=environment,
        verdict=judged,
        ramp=phases.get("ramp"),
        plateau=plateau,
        drain=phases.get("drain"),
        windows=along,
        series=tuple(series),
        cost=cost(plateau, series, spec.price_per_hour),
        warmth=warmth,
        notes=(*notes, *_repetitions(prompts, requests), *_slow_first(warmth)),
    )
    return finished, requests


def _slow_first(warmth: Warmth | None) -> list[str]:
    """Returns a note where the first request of the warm-up waited for what later ones did not."""
    first, last = (None, None) if warmth is None else (warmth.first_ttft, warmth.last_ttft)
    if first is None or last is None or first < last * SLOW_TIMES or first - last < SLOW_SECONDS:
        return []
    return [
        f"the first request of the warm-up had its first token after {first:.1f} s, the last one "
        f"after {last:.1f} s: the engine compiled, or captured graphs, meanwhile"
    ]


def _repetitions(prompts: Prompts, requests: Sequence[Request]) -> list[str]:
    """Returns a note where prompts were asked more than once: a prefix cache may know them."""
    count = len({request.index for request in requests})
    if count <= prompts.count:
        return []
    return [f"each of the {prompts.count} prompts was asked {count / prompts.count:.1f} times"]


def trace_notes(spec: Spec, prompts: PromptSet, parts: Sequence[WorkerResult]) -> list[str]:
    """Returns how much of a trace was replayed, and how near its prompts came to their lengths."""
    if not prompts.trace:
        return []
    requests = [request for part in parts for request in part.requests]
    counted = [request for request in requests if request.prompt_tokens is not None]
    notes = [
        f"{len(requests)} requests of the trace were due in {spec.duration:g} s at "
        f"{spec.trace_speed:g} times its speed"
    ]
    if recorded := sum(prompts.trace[request.index].input_tokens for request in counted):
        ratio = sum(request.prompt_tokens or 0 for request in counted) / recorded
        notes.append(f"their prompts had {ratio:.1%} of the recorded tokens, by the server's count")
    return notes


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
    lines += [f"note: {note}" for note in result.notes]
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
