"""Requests summed up: rates and latencies of the run's phases, and of windows along it."""

import bisect
import itertools
import math
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from benchmarks.load.spec import Spec
from benchmarks.results.schema import FAILED, Distribution, Outcome, Phase, Request, Window

PhaseName = Literal["ramp", "plateau", "drain"]


def percentile(values: Sequence[float], percent: float) -> float:
    """Returns the smallest value that `percent` of them do not exceed (nearest rank); 0 of none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def distribution(values: Sequence[float]) -> Distribution | None:
    """Returns None of no values; `std` is that of the sample, 0 of one value."""
    if not values:
        return None
    return Distribution(
        count=len(values),
        mean=statistics.fmean(values),
        std=statistics.stdev(values) if len(values) > 1 else 0.0,
        min=min(values),
        p50=percentile(values, 50),
        p90=percentile(values, 90),
        p95=percentile(values, 95),
        p99=percentile(values, 99),
        max=max(values),
    )


def ttft(request: Request) -> float | None:
    """Returns the seconds to the first token, in an open loop from when the request was due."""
    return None if request.first_token is None else request.first_token - _due(request)


def tpot(request: Request) -> float | None:
    """Returns the seconds per output token after the first, as vLLM and genai-perf define it: (last
    - first token) / (tokens - 1). None for fewer than two, and for an answer that came at once."""
    if not request.output_tokens or request.output_tokens < 2 or request.chunks < 2:
        return None
    if request.first_token is None or request.last_token is None:
        return None
    return (request.last_token - request.first_token) / (request.output_tokens - 1)


def end_to_end(request: Request) -> float:
    """Returns the seconds to the end, in an open loop from when the request was due."""
    return request.ended - _due(request)


def _due(request: Request) -> float:
    return request.sent if request.intended is None else request.intended


def tokens_per_weight(requests: Sequence[Request]) -> float:
    """Returns the tokens for each event or character of the answers whose tokens were counted; 1
    where none were."""
    known = [r for r in requests if r.output_tokens is not None and r.outcome is Outcome.OK]
    weight = sum(sum(_weights(request)) for request in known)
    return sum(request.output_tokens or 0 for request in known) / weight if weight else 1.0


def chunk_tokens(request: Request, usual: float) -> Iterator[tuple[float, float]]:
    """Yields (time, tokens) of each chunk. The answer's tokens are spread over its chunks by their
    weights; where nobody counted them, as in most that broke off, a weight of 1 has the `usual`."""
    if request.first_token is None or not request.chunks:
        return
    weights, tokens = _weights(request), request.output_tokens
    each = usual if tokens is None else tokens / sum(weights)
    times = itertools.accumulate(request.gaps, initial=request.first_token)
    for at, weight in zip(times, weights, strict=True):
        yield at, each * weight


def _weights(request: Request) -> Sequence[int]:
    return request.weights or (1,) * request.chunks


def _in_flight(requests: Sequence[Request], start: float, end: float) -> float:
    """Returns how many requests were in flight from `start` to `end`, on average."""
    busy = sum(max(0.0, min(r.ended, end) - max(r.sent, start)) for r in requests)
    return busy / (end - start)


def phase(spec: Spec, requests: Sequence[Request], start: float, end: float) -> Phase:
    """Returns what the requests that were sent from `start` to `end` gave, and the tokens that came
    then, whenever they were asked for."""
    sent = [request for request in requests if start <= request.sent < end]
    well = [request for request in sent if request.outcome is Outcome.OK]
    ended_well = [r for r in requests if r.outcome is Outcome.OK and start <= r.ended < end]
    seconds = end - start
    usual = tokens_per_weight(requests)
    came = (n for r in requests for at, n in chunk_tokens(r, usual) if start <= at < end)
    rate = sum(came) / seconds
    in_flight = _in_flight(requests, start, end)
    chunks = sum(request.chunks for request in well)
    tokens = sum(request.output_tokens or 0 for request in well)
    cached = [r.cached_tokens for r in well if r.cached_tokens is not None]
    return Phase(
        start=start,
        end=end,
        tokens_per_second=rate,
        tokens_per_second_per_user=rate / in_flight if in_flight else None,
        requests_per_second=len(ended_well) / seconds,
        goodput=_goodput(spec, ended_well, seconds),
        outcomes=dict(Counter(request.outcome for request in sent)),
        ttft=distribution(_known(map(ttft, well))),
        tpot=distribution(_known(map(tpot, well))),
        gap=distribution([gap for request in well for gap in request.gaps]),
        end_to_end=distribution([end_to_end(r) for r in well]),
        error_latency=distribution(_error_latencies(sent)),
        prompt_tokens=sum(request.prompt_tokens or 0 for request in well),
        output_tokens=tokens,
        cached_tokens=sum(cached) if cached else None,
        tokens_per_chunk=tokens / chunks if chunks and tokens else None,
    )


def _error_latencies(requests: Sequence[Request]) -> list[float]:
    """Returns those of the failures whose end was recorded: other load generators do not always."""
    return [r.ended - r.sent for r in requests if r.outcome in FAILED and r.ended > r.sent]


def _goodput(spec: Spec, well: Sequence[Request], seconds: float) -> float | None:
    """Returns the requests per second that kept every limit which is set; None without one."""
    limits = (spec.limits.ttft, spec.limits.tpot, spec.limits.end_to_end)
    if not any(limits):
        return None
    good = 0
    for request in well:
        # An answer of nothing has no first token: it never kept a limit of that.
        first = ttft(request)
        if first is None and spec.limits.ttft is not None:
            continue
        values = (first, tpot(request), end_to_end(request))
        good += all(
            limit is None or value is None or value <= limit
            for value, limit in zip(values, limits, strict=True)
        )
    return good / seconds


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def phase_bounds(spec: Spec, end: float) -> list[tuple[PhaseName, float, float]]:
    """Returns the phases that the run has had by `end`, its last moment, and their bounds in
    seconds."""
    bounds: list[tuple[PhaseName, float, float]] = [
        ("ramp", 0.0, spec.ramp),
        ("plateau", spec.ramp, min(spec.duration, max(end, spec.ramp))),
        ("drain", spec.duration, max(end, spec.duration)),
    ]
    return [(name, start, stop) for name, start, stop in bounds if stop > start]


def windows(spec: Spec, requests: Sequence[Request], end: float) -> tuple[Window, ...]:
    """Returns windows from the start of the run to `end`; each phase has whole ones but for its
    last. Tokens count by their time of arrival."""
    bounds = list(_window_bounds(spec, end))
    starts = [start for _, start, _ in bounds]
    tokens, usual = [0.0] * len(bounds), tokens_per_weight(requests)
    for request in requests:
        for at, count in chunk_tokens(request, usual):
            if index := bisect.bisect_right(starts, at):
                tokens[index - 1] += count
    return tuple(
        _window(name, start, stop, count, requests)
        for (name, start, stop), count in zip(bounds, tokens, strict=True)
    )


def _window_bounds(spec: Spec, end: float) -> Iterator[tuple[PhaseName, float, float]]:
    for name, start, stop in phase_bounds(spec, end):
        at = start
        while stop - at > 1e-9:
            until = min(at + spec.window, stop)
            yield name, at, until
            at = until


def _window(
    name: PhaseName, start: float, stop: float, tokens: float, requests: Sequence[Request]
) -> Window:
    seconds = stop - start
    sent = [r for r in requests if start <= r.sent < stop]
    ended = [r for r in requests if start <= r.ended < stop]
    first = _known(ttft(r) for r in sent if r.outcome is Outcome.OK)
    return Window(
        start=start,
        seconds=seconds,
        phase=name,
        tokens=tokens,
        tokens_per_second=tokens / seconds,
        sent=len(sent),
        ended=len(ended),
        failed=sum(r.outcome in FAILED for r in ended),
        in_flight=_in_flight(requests, start, stop),
        ttft=sum(first) / len(first) if first else None,
    )
