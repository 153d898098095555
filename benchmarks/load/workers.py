"""The client processes that share the users of a run, where one event loop is too slow for all: how
they are led, wherever they are, and those of this machine."""

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Protocol, Self

from benchmarks.load.run import ProgressReport, ReportProgress, WorkerResult, on_interrupt
from benchmarks.load.spec import LoadFailed, Spec
from benchmarks.load.traffic import SECOND
from benchmarks.load.worker import READY, RESULT, WorkerTask
from benchmarks.prompts import PromptSet

ROOT = Path(__file__).parents[2]
LEAD = 0.5
"""Seconds between the moment when all processes are ready and the start of the run."""
LONGEST_LINE = 2**31
"""Bytes: a result is one line."""


class WorkerFailed(LoadFailed):
    """A client process ended without a result, or could not be had."""


class Worker(Protocol):
    """A process of benchmarks.load.worker that has been given its task."""

    async def readline(self) -> str:
        """Returns the next line that it writes, empty at its end."""

    async def start(self, stamp: int) -> None:
        """Has it begin at this machine's time.monotonic_ns()."""

    def interrupt(self) -> None:
        """Sends it SIGINT."""


async def run_workers(
    workers: Sequence[Worker], report: ReportProgress
) -> tuple[int, list[WorkerResult]]:
    """Returns the start, a stamp of time.monotonic_ns(), and each one's result. Raises
    WorkerFailed.

    SIGINT goes on to all of them, and each still gives what it has.
    """
    await asyncio.gather(*map(_wait_ready, workers))

    def interrupt_all() -> None:
        for worker in workers:
            worker.interrupt()

    with on_interrupt(interrupt_all):
        start = time.monotonic_ns() + round(LEAD * SECOND)
        await asyncio.gather(*(worker.start(start) for worker in workers))
        return start, list(await asyncio.gather(*(_result(worker, report) for worker in workers)))


async def _wait_ready(worker: Worker) -> None:
    if await worker.readline() != READY:
        raise WorkerFailed("a client process ended before the run")


async def _result(worker: Worker, report: ReportProgress) -> WorkerResult:
    while line := await worker.readline():
        if line == RESULT:
            return WorkerResult.model_validate_json(await worker.readline())
        report(ProgressReport.model_validate_json(line))
    raise WorkerFailed("a client process ended without a result")


class LocalWorker:
    """A client process of this machine."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def spawn(cls, task: WorkerTask) -> Self:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "benchmarks.load.worker",
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LONGEST_LINE,
            # A Ctrl-C goes to the parent alone, which hands it on.
            start_new_session=True,
        )
        worker = cls(process)
        worker._write(task.model_dump_json())
        return worker

    async def readline(self) -> str:
        assert self._process.stdout is not None
        return (await self._process.stdout.readline()).decode().strip()

    async def start(self, stamp: int) -> None:
        """Has it begin at the stamp: all processes of a machine have one clock."""
        self._write(str(stamp))

    def interrupt(self) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGINT)

    async def stop(self) -> None:
        """Kills it, whatever it is doing."""
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())


@asynccontextmanager
async def local_workers(spec: Spec, prompts: PromptSet) -> AsyncIterator[list[LocalWorker]]:
    """Starts as many as the run asks for; all have ended afterwards."""
    workers: list[LocalWorker] = []
    try:
        for shard in range(spec.procs):
            task = WorkerTask(spec=spec, prompts=prompts, shard=shard)
            workers.append(await LocalWorker.spawn(task))
        yield workers
    finally:
        for worker in workers:
            await worker.stop()
