"""Whether the client itself kept up: the lag of its event loop, and its CPU."""

import asyncio
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from benchmarks.load.statistics import percentile

INTERVAL = 0.02
"""Seconds between looks."""


@dataclass(frozen=True)
class Health:
    """Lag in seconds; `cpu` in cores: seconds of user and system time for each of the run's."""

    loop_lag_p99: float
    cpu: float
    cpu_seconds: float


class Monitor:
    """Around a run."""

    async def __aenter__(self) -> Self:
        self._lags: list[float] = []
        self._begun, self._cpu = time.monotonic(), time.process_time()
        self._task = asyncio.create_task(self._look())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._task.cancel()
        seconds = time.monotonic() - self._begun
        cpu = time.process_time() - self._cpu
        self.health = Health(percentile(self._lags, 99), cpu / seconds, cpu)

    async def _look(self) -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(INTERVAL)
            self._lags.append(max(0.0, time.monotonic() - before - INTERVAL))
