"""Client processes of this machine, where one event loop is too slow for all users."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Self

from benchmarks.load.spec import Spec
from benchmarks.load.worker import Task
from benchmarks.prompts import PromptSet

ROOT = Path(__file__).parents[2]
LONGEST_LINE = 2**31
"""Bytes: a share is one line."""


class LocalWorker:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def begin(cls, task: Task) -> Self:
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
        """All processes of a machine have one clock."""
        self._write(str(stamp))

    def interrupt(self) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGINT)

    async def stop(self) -> None:
        """Whatever it is doing."""
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())


@asynccontextmanager
async def local_workers(spec: Spec, prompts: PromptSet) -> AsyncIterator[list[LocalWorker]]:
    """As many as the run asks for."""
    workers: list[LocalWorker] = []
    try:
        for shard in range(spec.procs):
            task = Task(spec=spec, prompts=prompts, shard=shard)
            workers.append(await LocalWorker.begin(task))
        yield workers
    finally:
        for worker in workers:
            await worker.stop()
