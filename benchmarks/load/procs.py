"""The users of a run shared by several processes, where one event loop is too slow for them."""

import asyncio
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from benchmarks.load.share import Share
from benchmarks.load.spec import Spec
from benchmarks.load.users import SECOND
from benchmarks.load.worker import Task
from benchmarks.prompts import PromptSet

ROOT = Path(__file__).parents[2]
LEAD = 3.0
"""Seconds in which the processes start, before the run does."""


class WorkerFailed(Exception):
    """A client process ended without a result."""


async def shares(spec: Spec, prompts: PromptSet) -> tuple[int, list[Share]]:
    """The start, a stamp of time.monotonic_ns(), and each process's share. Raises WorkerFailed.

    SIGINT goes on to all of them, and each still gives what it has.
    """
    start = time.monotonic_ns() + round(LEAD * SECOND)
    processes = [await _start(spec, prompts, start, shard) for shard in range(spec.procs)]

    def interrupt() -> None:
        for process in processes:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)

    handler = asyncio.get_running_loop()
    handler.add_signal_handler(signal.SIGINT, interrupt)
    handler.add_signal_handler(signal.SIGTERM, interrupt)
    try:
        return start, list(await asyncio.gather(*map(_read, processes)))
    finally:
        handler.remove_signal_handler(signal.SIGINT)
        handler.remove_signal_handler(signal.SIGTERM)
        for process in processes:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def _start(
    spec: Spec, prompts: PromptSet, start: int, shard: int
) -> asyncio.subprocess.Process:
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
    task = Task(spec=spec, prompts=prompts, start=start, shard=shard)
    assert process.stdin is not None
    process.stdin.write(task.model_dump_json().encode())
    await process.stdin.drain()
    process.stdin.close()
    return process


async def _read(process: asyncio.subprocess.Process) -> Share:
    assert process.stdout is not None
    output = await process.stdout.read()
    if await process.wait():
        raise WorkerFailed(f"a client process ended with {process.returncode}")
    return Share.model_validate_json(output)
