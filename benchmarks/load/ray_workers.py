"""Client processes of many machines, started by the Ray cluster that these form.

Ray brings the client to them; their Python has to have what it imports (aiohttp, orjson, pydantic
and uvloop). Machines have clocks of their own: how far each is from this one's is measured before
the run, to half of the shortest round trip to it.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from benchmarks.load.spec import KEY, Spec
from benchmarks.load.worker import WorkerTask
from benchmarks.load.workers import ROOT, WorkerFailed
from benchmarks.prompts import PromptSet
from benchmarks.words import counted

CLOCK_READINGS = 10
"""Of another machine's clock."""
LISTENER_TIMEOUT = 5.0
CALLS_AT_ONCE = 4
"""Of one actor: it is read from while it is written to."""


class RemoteProcess:
    """The other machine's side, an actor: a client process there, and its pipes."""

    def __init__(self, task: str, key: str | None) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        if key is not None:
            environment[KEY] = key
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.load.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            start_new_session=True,
        )
        self.write(task)

    def clock(self) -> int:
        return time.monotonic_ns()

    def readline(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def write(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def stop(self) -> None:
        """Kills it, whatever it is doing."""
        self._process.kill()
        self._process.wait()


class RayWorker:
    """A client process of another machine, whose clock is ahead by so many nanoseconds."""

    def __init__(self, actor: Any) -> None:
        self.actor = actor
        self._ahead = 0

    async def readline(self) -> str:
        line: str = await self.actor.readline.remote()
        return line

    async def compare_clocks(self) -> None:
        """Measures how far its clock is ahead. The first reading starts the process too; the
        quickest is the best."""
        readings = []
        for _ in range(CLOCK_READINGS):
            before = time.monotonic_ns()
            there = await self.actor.clock.remote()
            after = time.monotonic_ns()
            readings.append((after - before, there - (before + after) // 2))
        self._ahead = min(readings)[1]

    async def start(self, stamp: int) -> None:
        await self.actor.write.remote(str(stamp + self._ahead))

    def interrupt(self) -> None:
        self.actor.interrupt.remote()


@asynccontextmanager
async def ray_workers(
    address: str, spec: Spec, prompts: PromptSet
) -> AsyncIterator[list[RayWorker]]:
    """Spreads the processes over the machines, a processor for each. `address` is that of a
    cluster, or "local" for one that is started here and ended after the run. Raises
    WorkerFailed."""
    ray = await asyncio.to_thread(_connect, address)
    workers: list[RayWorker] = []
    try:
        _require_processors(ray, spec.procs)
        remote = ray.remote(num_cpus=1, scheduling_strategy="SPREAD", max_concurrency=CALLS_AT_ONCE)
        actor = remote(RemoteProcess)
        for shard in range(spec.procs):
            task = WorkerTask(spec=spec, prompts=prompts, shard=shard).model_dump_json()
            workers.append(RayWorker(actor.remote(task, os.environ.get(KEY))))
        await asyncio.gather(*(worker.compare_clocks() for worker in workers))
        yield workers
    except ray.exceptions.RayError as error:
        raise WorkerFailed(f"--ray {address}: {_first_line(error)}") from None
    finally:
        try:
            stops = (_stop(worker) for worker in workers)
            await asyncio.gather(*stops, return_exceptions=True)  # a dead machine has stopped
        finally:
            ray.shutdown()


async def _stop(worker: RayWorker) -> None:
    await worker.actor.stop.remote()


def _connect(address: str) -> Any:
    """Returns the module ray, connected to the cluster. Raises WorkerFailed."""
    try:
        import ray
    except ImportError:
        raise WorkerFailed("--ray needs the package ray: pip install ray==2.60.0") from None
    _require_listener(address)
    modules = {"py_modules": [str(ROOT / "benchmarks"), str(ROOT / "common")]}
    try:
        ray.init(address=address, runtime_env=modules, log_to_driver=False, logging_level="error")
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise WorkerFailed(f"--ray {address}: {_first_line(error)}") from None
    return ray


def _require_listener(address: str) -> None:
    """Raises WorkerFailed where nobody listens: Ray itself waits for minutes for a cluster."""
    parts = urlsplit(address if "://" in address else f"//{address}")
    try:
        if parts.hostname is None or parts.port is None:
            return
        with socket.create_connection((parts.hostname, parts.port), LISTENER_TIMEOUT):
            return
    except (OSError, ValueError) as error:
        raise WorkerFailed(f"--ray {address}: {error}") from None


def _require_processors(ray: Any, procs: int) -> None:
    available = int(ray.cluster_resources().get("CPU", 0))
    if available < procs:
        have = counted(available, "processor")
        raise WorkerFailed(f"the Ray cluster has {have}, too few for --procs {procs}")


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0] or type(error).__name__
