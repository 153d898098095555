"""Samples that a process of their own takes beside a run."""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from benchmarks.results.schema import Record, Series

ROOT = Path(__file__).parents[2]
API_KEY = "LLM_API_KEY"
"""The environment variable with the client's own key."""
START_TIMEOUT = 60.0
END_TIMEOUT = 30.0
"""Seconds; a slow /metrics is waited for."""


class SamplingTask(Record):
    """Tells the sampling process what to sample.

    `interval` is in seconds; `api_key_variable` is an environment variable with a key.
    """

    metrics_url: str | None
    pids: tuple[int, ...]
    client_pid: int
    gpus: bool = True
    interval: float
    api_key_variable: str | None = None


class Samples(Record):
    """Holds what the sampling process prints. Times are those of time.monotonic, in seconds."""

    series: tuple[Series, ...]
    warnings: tuple[str, ...]


class Sampler:
    """Samples around a run: `async with Sampler(...) as sampler`, then `sampler.series(start)`.

    `pids` are the roots of the service's processes on this machine. There are none where it runs
    elsewhere, and then this machine's `gpus` say nothing of it.
    What cannot be sampled is absent from the series, and `warnings` say why; a sampler that fails
    never fails the run.
    """

    def __init__(
        self,
        *,
        metrics_url: str | None = None,
        pids: Sequence[int] = (),
        gpus: bool = True,
        interval: float = 1.0,
        api_key_variable: str | None = API_KEY,
    ) -> None:
        self._task = SamplingTask(
            metrics_url=metrics_url,
            pids=tuple(pids),
            gpus=gpus,
            client_pid=os.getpid(),
            interval=interval,
            api_key_variable=api_key_variable,
        )
        self._process: asyncio.subprocess.Process | None = None
        self._samples = Samples(series=(), warnings=())

    async def __aenter__(self) -> "Sampler":
        """Starts the process, and returns when it samples."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "benchmarks.machine_metrics",
            self._task.model_dump_json(),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            # A Ctrl-C is for the client, which still wants the samples.
            start_new_session=True,
        )
        assert self._process.stdout is not None
        try:
            await asyncio.wait_for(self._process.stdout.readline(), START_TIMEOUT)
        except BaseException:
            self._process.kill()
            await self._process.wait()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process is not None
        try:
            output, _ = await asyncio.wait_for(self._process.communicate(b""), END_TIMEOUT)
            self._samples = Samples.model_validate_json(output)
        except (TimeoutError, ValueError):
            code = self._process.returncode
            end = "did not end in time" if code is None else f"ended with {code}"
            self._samples = Samples(series=(), warnings=(f"no samples: the sampler {end}",))
        finally:
            if self._process.returncode is None:
                self._process.kill()
                await self._process.wait()

    @property
    def warnings(self) -> tuple[str, ...]:
        return self._samples.warnings

    def series(self, start: float) -> tuple[Series, ...]:
        """Returns the series after the block; `start` is the time.monotonic() of their zero."""
        return tuple(
            one.model_copy(update={"points": tuple((t - start, v) for t, v in one.points)})
            for one in self._samples.series
        )
