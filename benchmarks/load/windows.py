"""Tokens by their time of arrival, in windows along the run."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Literal

from benchmarks.load.spec import Spec
from benchmarks.results.schema import Outcome, Request, Window

PhaseName = Literal["ramp", "plateau", "drain"]
FAILED = set(Outcome) - {Outcome.OK, Outcome.UNFINISHED}


def per_chunk(requests: Sequence[Request]) -> float:
    """Tokens in a chunk of the answers whose tokens were counted; 1 without such."""
    counted = [r for r in requests if r.output_tokens is not None and r.outcome is Outcome.OK]
    chunks = sum(request.chunks for request in counted)
    return sum(request.output_tokens or 0 for request in counted) / chunks if chunks else 1.0


def arrivals_of(request: Request, usual: float) -> Iterator[tuple[float, float]]:
    """(time, tokens) of each chunk. The answer's tokens are spread evenly over its chunks; where
    nobody counted them, as in most that broke off, a chunk has as many as is `usual`."""
    if request.first_token is None or not request.chunks:
        return
    counted = request.output_tokens
    each = usual if counted is None else counted / request.chunks
    for at in itertools.accumulate(request.gaps, initial=request.first_token):
        yield at, each


def phases(spec: Spec, end: float) -> list[tuple[PhaseName, float, float]]:
    """Those that the run has had by `end`, its last moment, and their bounds in seconds."""
    bounds: list[tuple[PhaseName, float, float]] = [
        ("ramp", 0.0, spec.ramp),
        ("plateau", spec.ramp, min(spec.duration, max(end, spec.ramp))),
        ("drain", spec.duration, max(end, spec.duration)),
    ]
    return [(name, start, stop) for name, start, stop in bounds if stop > start]


def windows(spec: Spec, requests: Sequence[Request], end: float) -> tuple[Window, ...]:
    """From the start of the run to `end`; each phase has whole windows but for its last."""
    made = []
    for name, start, stop in phases(spec, end):
        at = start
        while stop - at > 1e-9:
            until = min(at + spec.window, stop)
            made.append((name, at, until))
            at = until
    edges = [at for _, at, _ in made]
    tokens, usual = [0.0] * len(made), per_chunk(requests)
    for request in requests:
        for at, each in arrivals_of(request, usual):
            place = _place(edges, at)
            if place is not None:
                tokens[place] += each
    return tuple(
        _window(name, at, until, count, requests)
        for (name, at, until), count in zip(made, tokens, strict=True)
    )


def _place(edges: Sequence[float], at: float) -> int | None:
    """The last window that has begun by then."""
    low, high = 0, len(edges)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if edges[middle] <= at else (low, middle)
    return low - 1 if low else None


def _window(
    name: PhaseName, at: float, until: float, tokens: float, requests: Sequence[Request]
) -> Window:
    seconds = until - at
    begun = [r for r in requests if at <= r.sent < until]
    done = [r for r in requests if at <= r.ended < until]
    first = [
        r.first_token - (r.sent if r.intended is None else r.intended)
        for r in begun
        if r.outcome is Outcome.OK and r.first_token is not None
    ]
    busy = sum(max(0.0, min(r.ended, until) - max(r.sent, at)) for r in requests)
    return Window(
        start=at,
        seconds=seconds,
        phase=name,
        tokens=tokens,
        tokens_per_second=tokens / seconds,
        sent=len(begun),
        ended=len(done),
        failed=sum(r.outcome in FAILED for r in done),
        in_flight=busy / seconds,
        ttft=sum(first) / len(first) if first else None,
    )
