"""The users of a run shared by several processes, where one event loop is too slow for them."""

import asyncio
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from benchmarks.load.progress import Glance, Lines
from benchmarks.load.share import Share
from benchmarks.load.spec import Spec
from benchmarks.load.users import SECOND
from benchmarks.load.worker import READY, SHARE, Task
from benchmarks.prompts import PromptSet

ROOT = Path(__file__).parents[2]
LEAD = 0.5
"""Seconds between the moment when all processes are ready and the start of the run."""
Process = asyncio.subprocess.Process


class WorkerFailed(Exception):
    """A client process ended without a result."""


async def shares(spec: Spec, prompts: PromptSet, told: Lines) -> tuple[int, list[Share]]:
    """The start, a stamp of time.monotonic_ns(), and each process's share. Raises WorkerFailed.

    SIGINT goes on to all of them, and each still gives what it has.
    """
    processes: list[Process] = []
    try:
        for shard in range(spec.procs):
            processes.append(await _begin(Task(spec=spec, prompts=prompts, shard=shard)))
        await asyncio.gather(*map(_ready, processes))
        with _Interrupts(processes):
            start = time.monotonic_ns() + round(LEAD * SECOND)
            for process in processes:
                _write(process, str(start))
            made = await asyncio.gather(*(_read(process, told) for process in processes))
        return start, list(made)
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
                await process.wait()


class _Interrupts:
    """While in it, SIGINT and SIGTERM are the processes' to answer."""

    def __init__(self, processes: Sequence[Process]) -> None:
        self._processes = processes
        self._loop = asyncio.get_running_loop()

    def __enter__(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._loop.add_signal_handler(number, self._hand_on)

    def __exit__(self, *_: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._loop.remove_signal_handler(number)

    def _hand_on(self) -> None:
        for process in self._processes:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)


async def _begin(task: Task) -> Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.load.worker",
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        # A Ctrl-C goes to the parent alone, which hands it on.
        start_new_session=True,
    )
    _write(process, task.model_dump_json())
    return process


def _write(process: Process, line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n".encode())


async def _ready(process: Process) -> None:
    assert process.stdout is not None
    if (await process.stdout.readline()).decode().strip() != READY:
        raise WorkerFailed(f"a client process ended with {await process.wait()} before the run")


async def _read(process: Process, told: Lines) -> Share:
    assert process.stdout is not None
    while line := (await process.stdout.readline()).decode().strip():
        if line == SHARE:
            share = Share.model_validate_json(await process.stdout.read())
            await process.wait()
            return share
        told(Glance.model_validate_json(line))
    raise WorkerFailed(f"a client process ended with {await process.wait()}")
