"""An open loop: requests come at a rate, whether or not those before have been answered."""

import asyncio
import itertools
import random
from collections.abc import Iterator

from benchmarks.load.spec import Spec
from benchmarks.load.traffic import Traffic
from benchmarks.load.users import SECOND, until


def arrivals(spec: Spec) -> Iterator[float]:
    """Seconds from the start, until the end of the duration; the same for the same seed.

    A Poisson process has exponential gaps of the mean 1 / rate.
    """
    assert spec.rate is not None
    dice = random.Random(spec.seed)
    at = 0.0
    for _ in itertools.count():
        at += dice.expovariate(spec.rate) if spec.mode == "poisson" else 1 / spec.rate
        if at >= spec.duration:
            return
        yield at


async def open_loop(traffic: Traffic, shard: int = 0, shards: int = 1) -> None:
    """Until the last arrival has been answered; this process has every `shards`-th."""
    end = traffic.start + round(traffic.spec.duration * SECOND)
    async with asyncio.TaskGroup() as group:
        for number, at in enumerate(arrivals(traffic.spec)):
            if number % shards != shard:
                continue
            intended = traffic.start + round(at * SECOND)
            await until(intended)
            index, prompt = traffic.take()
            group.create_task(traffic.converse(number, index, prompt, end=end, intended=intended))
