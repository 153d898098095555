"""Whether the client measured the server, or itself: by its event loop, its CPU, and its users."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple, Self

from benchmarks.load.spec import Spec
from benchmarks.load.summary import percentile
from benchmarks.load.traffic import LONGEST
from benchmarks.results.schema import FAILED, Outcome, Phase, Request, Verdict, Window
from benchmarks.words import counted

INTERVAL = 0.02
"""Seconds between samples of the client's health."""
LAG_LIMIT, LAG_WARNING = 0.05, 0.01
"""Seconds of the event loop's 99th percentile: a stamp may be late by so much."""
CPU_LIMIT, CPU_WARNING = 0.9, 0.7
"""Of a core, of each client process: it has one event loop."""
SEND_LAG_LIMIT = 0.05
"""Seconds by which an open loop sent a request too late, or a user came too late."""
USERS_LIMIT = 0.9
"""Of the users, in flight on average over the plateau."""


class HealthSample(NamedTuple):
    """`at` by time.monotonic(), `cpu` by time.process_time(), `lag` of the event loop."""

    at: float
    cpu: float
    lag: float


@dataclass(frozen=True)
class ClientHealth:
    """Lag in seconds; `cpu` in cores: seconds of user and system time for each of the plateau's;
    `cpu_seconds` are those of the whole run."""

    loop_lag_p99: float
    cpu: float
    cpu_seconds: float


class HealthMonitor:
    """Samples the client around a run, and judges the seconds `begin` to `end` of it, by
    time.monotonic(): the plateau. Of a run that has none, it judges all."""

    def __init__(self, begin: float, end: float) -> None:
        self._bounds = begin, end

    async def __aenter__(self) -> Self:
        self._samples = [HealthSample(time.monotonic(), time.process_time(), 0.0)]
        self._task = asyncio.create_task(self._sample())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._task.cancel()
        self._samples.append(HealthSample(time.monotonic(), time.process_time(), 0.0))
        self.health = client_health(self._samples, *self._bounds)

    async def _sample(self) -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(INTERVAL)
            now = time.monotonic()
            lag = max(0.0, now - before - INTERVAL)
            self._samples.append(HealthSample(now, time.process_time(), lag))


def client_health(samples: Sequence[HealthSample], begin: float, end: float) -> ClientHealth:
    """Returns what at least two samples say of the seconds `begin` to `end`."""
    judged = [sample for sample in samples if begin <= sample.at <= end]
    judged = judged if len(judged) > 1 else list(samples)
    first, last = judged[0].at, judged[-1].at
    seconds, cpu = last - first, judged[-1].cpu - judged[0].cpu
    if begin <= samples[-1].at and samples[0].at <= end:
        first, last = begin, end
    # A stall may have begun before the plateau, or end after it.
    lags = [
        lag
        for sample in samples[1:]
        if sample.at >= first and sample.at - sample.lag <= last
        for lag in _missed(min(sample.lag, sample.at - first, last - (sample.at - sample.lag)))
    ]
    return ClientHealth(
        percentile(lags, 99), cpu / seconds if seconds else 0.0, samples[-1].cpu - samples[0].cpu
    )


def _missed(lag: float) -> Iterator[float]:
    """Yields the lag that each sample which a stall swallowed would have had: one alone hides how
    long it was."""
    yield lag
    while (lag := lag - INTERVAL) > 0:
        yield lag


def verdict(
    spec: Spec,
    requests: Sequence[Request],
    windows: Sequence[Window],
    plateau: Phase,
    healths: Sequence[ClientHealth],
    *,
    interrupted: bool = False,
) -> Verdict:
    """Returns a verdict that is void for any of its reasons.

    Another load generator has no `healths`; which of its requests is whose user's is not known.
    """
    lag = max((health.loop_lag_p99 for health in healths), default=0.0)
    cpu = max((health.cpu for health in healths), default=0.0)
    send_lags = _send_lags(spec if healths else None, requests)
    send_lag = percentile(send_lags, 99)
    uncounted = sum(r.outcome is Outcome.OK and r.output_tokens is None for r in requests)
    reached = users_reached(windows)
    backing_off = _backing_off(requests, plateau) if healths else 0.0
    more = _advice(spec) if healths else ""
    reasons = {
        "it was interrupted": interrupted,
        "no request of the plateau ended well": plateau.end_to_end is None,
        f"nobody counted the tokens of {counted(uncounted, 'answer')}: their stream has no usage, "
        "and the endpoint no POST /tokenize": uncounted > 0,
        f"the client's event loop lagged by {lag * 1000:.0f} ms (p99){more}": lag > LAG_LIMIT,
        f"the client used {cpu:.0%} of a core{more}": cpu > CPU_LIMIT,
        f"requests were sent {send_lag * 1000:.0f} ms late (p99){more}": send_lag > SEND_LAG_LIMIT,
        _too_few_users(spec, reached): (
            spec.users is not None and reached + backing_off < USERS_LIMIT * spec.users
        ),
    }
    void = [reason for reason, holds in reasons.items() if holds]
    tokens = sum(request.output_tokens or 0 for request in requests)
    spent = sum(health.cpu_seconds for health in healths)
    return Verdict(
        valid=not void,
        reasons=tuple(void),
        warnings=_warnings(plateau, lag, cpu),
        loop_lag_p99=lag if healths else None,
        client_cpu=cpu if healths else None,
        client_cpu_per_1000_tokens=spent / tokens * 1000 if healths and tokens else None,
        send_lag_p99=send_lag if send_lags else None,
        users_reached=reached,
    )


def _advice(spec: Spec) -> str:
    """Returns what may help a client that could not keep up: one user is no work to be spread."""
    if spec.mode == "closed" and (spec.users or 0) <= spec.procs:
        return "; the machine is busy with something else: give the client a core of its own"
    return "; spread the users over more processes (--procs)"


def _warnings(plateau: Phase, lag: float, cpu: float) -> tuple[str, ...]:
    unfinished = plateau.outcomes.get(Outcome.UNFINISHED, 0)
    warnings = {
        f"{counted(unfinished, 'request')} of the plateau had no end after the drain: the "
        "latencies lack the slowest (--drain)": unfinished > 0,
        f"the client's event loop lagged by {lag * 1000:.0f} ms (p99)": (
            LAG_WARNING < lag <= LAG_LIMIT
        ),
        f"the client used {cpu:.0%} of a core": CPU_WARNING < cpu <= CPU_LIMIT,
    }
    return tuple(warning for warning, holds in warnings.items() if holds)


def users_reached(windows: Sequence[Window]) -> float:
    """Returns how many requests were in flight over the plateau, on average."""
    plateau = [window for window in windows if window.phase == "plateau"]
    seconds = sum(window.seconds for window in plateau)
    return sum(w.in_flight * w.seconds for w in plateau) / seconds if seconds else 0.0


def _too_few_users(spec: Spec, reached: float) -> str:
    """Returns the reason of a run whose users were not all there."""
    was = "was" if spec.users == 1 else "were"
    return f"only {reached:.1f} of {counted(spec.users or 0, 'user')} {was} in flight"


def _backing_off(requests: Sequence[Request], plateau: Phase) -> float:
    """Returns how many users, on average, waited after a failure: that is the server's doing."""
    following: dict[int, float] = {}
    waited = 0.0
    for request in sorted(requests, key=lambda each: each.sent, reverse=True):
        if request.outcome in FAILED and plateau.start <= request.ended < plateau.end:
            until = min(following.get(request.user, plateau.end), plateau.end)
            waited += max(0.0, min(LONGEST, until - request.ended))
        following[request.user] = request.sent
    return waited / (plateau.end - plateau.start)


def _send_lags(spec: Spec | None, requests: Sequence[Request]) -> list[float]:
    """Returns by how many seconds requests were late. In a closed loop only a user's first request
    has a time that was set beforehand: that of the `spec`."""
    if spec is None or spec.users is None:
        return [r.sent - r.intended for r in requests if r.intended is not None]
    first: dict[int, float] = {}
    for request in requests:
        first[request.user] = min(request.sent, first.get(request.user, request.sent))
    return [sent - spec.ramp * user / spec.users for user, sent in first.items()]
