"""One process's share of a run."""

import asyncio
import contextlib
import itertools
import signal
import time
from dataclasses import dataclass

from benchmarks.load.arrivals import open_loop
from benchmarks.load.connection import allow_connections, endpoint, session
from benchmarks.load.glance import Told, Watch
from benchmarks.load.health import Health, Monitor
from benchmarks.load.request import NANO, Sent
from benchmarks.load.sequence import Sequence
from benchmarks.load.spec import Spec
from benchmarks.load.traffic import Traffic
from benchmarks.load.users import SECOND, until, users
from benchmarks.prompts import Order


@dataclass
class Measured:
    """`start` is the run's, a stamp of time.monotonic_ns(); `ended` is when it was over."""

    start: int
    ended: int
    requests: list[Sent]
    health: Health
    interrupted: bool = False


async def run(
    spec: Spec,
    order: Order,
    *,
    start: int | None = None,
    shard: int = 0,
    shards: int = 1,
    told: Told | None = None,
) -> Measured:
    """From `start`, or now, until all is answered or the drain is over. SIGINT ends it early."""
    begun = time.monotonic_ns() if start is None else start
    allow_connections()
    async with session() as client:
        traffic = Traffic(spec, endpoint(client, spec), Sequence(order, shard, shards), begun)
        await until(begun)
        begin = begun * NANO
        async with Monitor(begin + spec.ramp, begin + spec.duration) as monitor:
            interrupted = await _drive(traffic, shard, shards, told)
    return Measured(begun, time.monotonic_ns(), traffic.requests, monitor.health, interrupted)


async def _drive(traffic: Traffic, shard: int, shards: int, told: Told | None) -> bool:
    """Whether it was interrupted."""
    spec = traffic.spec
    loop = users if spec.mode == "closed" else open_loop
    work = asyncio.create_task(loop(traffic, shard, shards))
    watch = asyncio.create_task(_tell(traffic, told)) if told is not None else None
    interrupted = asyncio.Event()

    def interrupt() -> None:
        interrupted.set()
        work.cancel()

    handler = asyncio.get_running_loop()
    handler.add_signal_handler(signal.SIGINT, interrupt)
    handler.add_signal_handler(signal.SIGTERM, interrupt)
    try:
        await asyncio.wait({work}, timeout=spec.duration + spec.drain)
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work
    finally:
        handler.remove_signal_handler(signal.SIGINT)
        handler.remove_signal_handler(signal.SIGTERM)
        if watch is not None:
            watch.cancel()
    return interrupted.is_set()


async def _tell(traffic: Traffic, told: Told) -> None:
    window = round(traffic.spec.window * SECOND)
    watch = Watch(traffic.requests)
    for number in itertools.count():
        await until(traffic.start + (number + 1) * window)
        told(watch.glance(number))
