"""Whether the client itself kept up: the lag of its event loop, and its CPU."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple, Self

from benchmarks.load.statistics import percentile

INTERVAL = 0.02
"""Seconds between looks."""


class Look(NamedTuple):
    """`at` by time.monotonic(), `cpu` by time.process_time(), `lag` of the event loop."""

    at: float
    cpu: float
    lag: float


@dataclass(frozen=True)
class Health:
    """Lag in seconds; `cpu` in cores: seconds of user and system time for each of the plateau's;
    `cpu_seconds` are those of the whole run."""

    loop_lag_p99: float
    cpu: float
    cpu_seconds: float


class Monitor:
    """Around a run, of which it judges the seconds `begin` to `end`, by time.monotonic(): the
    plateau. Of a run that has none, all."""

    def __init__(self, begin: float, end: float) -> None:
        self._bounds = begin, end

    async def __aenter__(self) -> Self:
        self._looks = [Look(time.monotonic(), time.process_time(), 0.0)]
        self._task = asyncio.create_task(self._look())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._task.cancel()
        self._looks.append(Look(time.monotonic(), time.process_time(), 0.0))
        self.health = health(self._looks, *self._bounds)

    async def _look(self) -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(INTERVAL)
            now = time.monotonic()
            self._looks.append(Look(now, time.process_time(), max(0.0, now - before - INTERVAL)))


def health(looks: Sequence[Look], begin: float, end: float) -> Health:
    """Of at least two looks."""
    judged = [look for look in looks if begin <= look.at <= end]
    judged = judged if len(judged) > 1 else list(looks)
    seconds = judged[-1].at - judged[0].at
    cpu = judged[-1].cpu - judged[0].cpu
    first, last = judged[0].at, judged[-1].at
    if begin <= looks[-1].at and looks[0].at <= end:
        first, last = begin, end
    # A stall may have begun before the plateau, or end after it.
    lags = [
        lag
        for look in looks[1:]
        if look.at >= first and look.at - look.lag <= last
        for lag in _missed(min(look.lag, look.at - first, last - (look.at - look.lag)))
    ]
    return Health(
        percentile(lags, 99), cpu / seconds if seconds else 0.0, looks[-1].cpu - looks[0].cpu
    )


def _missed(lag: float) -> Iterator[float]:
    """What each look that a stall has swallowed would have found: one alone hides its length."""
    yield lag
    while (lag := lag - INTERVAL) > 0:
        yield lag
