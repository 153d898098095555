"""What a stretch of a run gave."""

from collections import Counter
from collections.abc import Sequence

from benchmarks.load.spec import Spec
from benchmarks.load.statistics import distribution
from benchmarks.load.windows import FAILED, arrivals_of, per_weight
from benchmarks.results.schema import Outcome, Phase, Request


def ttft(request: Request) -> float | None:
    """Seconds to the first token, in an open loop from when it should have been sent."""
    return None if request.first_token is None else request.first_token - _begun(request)


def tpot(request: Request) -> float | None:
    """Time per output token after the first, as vLLM and genai-perf define it: (last - first token)
    / (tokens - 1). None for fewer than two, and for an answer that came at once."""
    if not request.output_tokens or request.output_tokens < 2 or request.chunks < 2:
        return None
    if request.first_token is None or request.last_token is None:
        return None
    return (request.last_token - request.first_token) / (request.output_tokens - 1)


def phase(spec: Spec, requests: Sequence[Request], start: float, end: float) -> Phase:
    """Of requests that were sent in it, and of tokens that came in it, whenever asked for."""
    sent = [request for request in requests if start <= request.sent < end]
    well = [request for request in sent if request.outcome is Outcome.OK]
    ended_well = [r for r in requests if r.outcome is Outcome.OK and start <= r.ended < end]
    seconds = end - start
    usual = per_weight(requests)
    came = (n for r in requests for at, n in arrivals_of(r, usual) if start <= at < end)
    rate = sum(came) / seconds
    busy = sum(max(0.0, min(r.ended, end) - max(r.sent, start)) for r in requests) / seconds
    chunks = sum(request.chunks for request in well)
    tokens = sum(request.output_tokens or 0 for request in well)
    cached = [r.cached_tokens for r in well if r.cached_tokens is not None]
    return Phase(
        start=start,
        end=end,
        tokens_per_second=rate,
        tokens_per_second_per_user=rate / busy if busy else None,
        requests_per_second=len(ended_well) / seconds,
        goodput=_goodput(spec, ended_well, seconds),
        outcomes=dict(Counter(request.outcome for request in sent)),
        ttft=distribution(_known(map(ttft, well))),
        tpot=distribution(_known(map(tpot, well))),
        gap=distribution([gap for request in well for gap in request.gaps]),
        end_to_end=distribution([r.ended - _begun(r) for r in well]),
        error_latency=distribution([r.ended - r.sent for r in sent if r.outcome in FAILED]),
        prompt_tokens=sum(request.prompt_tokens or 0 for request in well),
        output_tokens=tokens,
        cached_tokens=sum(cached) if cached else None,
        tokens_per_chunk=tokens / chunks if chunks and tokens else None,
    )


def _goodput(spec: Spec, well: Sequence[Request], seconds: float) -> float | None:
    """Requests per second that kept every limit which is set; None without one."""
    limits = (spec.ttft_limit, spec.tpot_limit, spec.end_to_end_limit)
    if not any(limits):
        return None
    good = 0
    for request in well:
        # An answer of nothing has no first token: it never kept a limit of that.
        first = ttft(request)
        if first is None and spec.ttft_limit is not None:
            continue
        values = (first, tpot(request), request.ended - _begun(request))
        good += all(
            limit is None or value is None or value <= limit
            for value, limit in zip(values, limits, strict=True)
        )
    return good / seconds


def _begun(request: Request) -> float:
    return request.sent if request.intended is None else request.intended


def _known(values: "map[float | None]") -> list[float]:
    return [value for value in values if value is not None]
