"""A closed loop: each user sends the next request when it has the answer to the last."""

import asyncio
import time

from benchmarks.load.traffic import Traffic

SECOND = 10**9
BACK_OFF, LONGEST = 0.1, 2.0
"""Seconds after a failure, doubled by each further one: a dead server is not hammered."""


async def users(traffic: Traffic, shard: int = 0, shards: int = 1) -> None:
    """Until the end of the run's duration; this process has every `shards`-th user.

    User k of N comes at ramp * k / N: spread evenly, the first at once.
    """
    spec = traffic.spec
    assert spec.users is not None
    async with asyncio.TaskGroup() as group:
        for user in range(shard, spec.users, shards):
            group.create_task(_user(traffic, user, spec.ramp * user / spec.users))


async def _user(traffic: Traffic, user: int, comes: float) -> None:
    end = traffic.start + round(traffic.spec.duration * SECOND)
    await until(traffic.start + round(comes * SECOND))
    failed = 0
    while time.monotonic_ns() < end:
        index, prompt = traffic.take()
        if await traffic.converse(user, index, prompt, end=end):
            failed = 0
            continue
        failed += 1
        left = (end - time.monotonic_ns()) / SECOND
        await asyncio.sleep(max(0.0, min(BACK_OFF * 2 ** (failed - 1), LONGEST, left)))


async def until(stamp: int) -> None:
    """Of time.monotonic_ns()."""
    wait = (stamp - time.monotonic_ns()) / SECOND
    if wait > 0:
        await asyncio.sleep(wait)
