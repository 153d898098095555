"""The users of a run shared by several client processes, wherever these are."""

import asyncio
import signal
import time
from collections.abc import Sequence
from typing import Protocol

from benchmarks.load.glance import Glance, Told
from benchmarks.load.share import Share
from benchmarks.load.users import SECOND
from benchmarks.load.worker import READY, SHARE

LEAD = 0.5
"""Seconds between the moment when all processes are ready and the start of the run."""
ENDS = (signal.SIGINT, signal.SIGTERM)


class WorkerFailed(Exception):
    """A client process ended without a result, or could not be had."""


class Worker(Protocol):
    """A process of benchmarks.load.worker that has been given its task."""

    async def readline(self) -> str:
        """What it says next, empty at its end."""

    async def start(self, stamp: int) -> None:
        """At this machine's time.monotonic_ns()."""

    def interrupt(self) -> None:
        """SIGINT."""


async def work(workers: Sequence[Worker], told: Told) -> tuple[int, list[Share]]:
    """The start, a stamp of time.monotonic_ns(), and each one's share. Raises WorkerFailed.

    SIGINT goes on to all of them, and each still gives what it has.
    """
    await asyncio.gather(*map(_ready, workers))
    loop = asyncio.get_running_loop()

    def hand_on() -> None:
        for worker in workers:
            worker.interrupt()

    for number in ENDS:
        loop.add_signal_handler(number, hand_on)
    try:
        start = time.monotonic_ns() + round(LEAD * SECOND)
        await asyncio.gather(*(worker.start(start) for worker in workers))
        return start, list(await asyncio.gather(*(_share(worker, told) for worker in workers)))
    finally:
        for number in ENDS:
            loop.remove_signal_handler(number)


async def _ready(worker: Worker) -> None:
    if await worker.readline() != READY:
        raise WorkerFailed("a client process ended before the run")


async def _share(worker: Worker, told: Told) -> Share:
    while line := await worker.readline():
        if line == SHARE:
            return Share.model_validate_json(await worker.readline())
        told(Glance.model_validate_json(line))
    raise WorkerFailed("a client process ended without a result")
