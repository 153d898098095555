"""Who sends which prompt when: users of a closed loop, arrivals of an open one."""

import asyncio
import itertools
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from benchmarks.load.request import EndpointClient, Sent, body
from benchmarks.load.spec import Spec
from benchmarks.prompts import Order, Prompt
from benchmarks.results.schema import Outcome

SECOND = 10**9
BACK_OFF, LONGEST = 0.1, 2.0
"""Seconds after a failure, doubled by each further one: a dead server is not hammered."""


@dataclass
class Traffic:
    """Says what one client process of several sends: every `shards`-th prompt, user and arrival,
    from `shard` on, so that all together send the same as one would.

    `times` are the seconds at which a trace has its requests.

    `start` is a stamp of time.monotonic_ns(); `requests` are in the order of their sending.
    """

    spec: Spec
    endpoint: EndpointClient
    order: Order
    start: int
    shard: int = 0
    shards: int = 1
    times: Sequence[float] = ()
    requests: list[Sent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._indices = itertools.count(self.shard, self.shards)

    @property
    def end(self) -> int:
        """The stamp after which nothing is sent."""
        return self.start + round(self.spec.duration * SECOND)

    async def run(self) -> None:
        """Returns when all that was sent has been answered."""
        await (_users(self) if self.spec.mode == "closed" else _open_loop(self))

    def next_prompt(self) -> tuple[int, Prompt]:
        """Returns the prompt whose turn it is, and its index in the order of all processes."""
        index = next(self._indices)
        return index, self.order[index]

    async def converse(
        self, user: int, index: int, prompt: Prompt, intended: int | None = None
    ) -> bool:
        """Sends as many turns of the prompt as the run asks for, none of them after the end.
        Returns whether all went well."""
        conversation: list[str] = []
        for turn, text in enumerate(prompt.turns[: self.spec.turns]):
            if turn and time.monotonic_ns() >= self.end:
                break
            conversation.append(text)
            data = body(self.spec, conversation, prompt)
            sent = Sent(index, user, turn, prompt.id, time.monotonic_ns(), intended)
            self.requests.append(sent)
            await self.endpoint.send(sent, data)
            if sent.outcome is not Outcome.OK:
                return False
            conversation.append(sent.text)
        return True


async def _users(traffic: Traffic) -> None:
    """User k of N comes at ramp * k / N: spread evenly, the first at once."""
    spec = traffic.spec
    assert spec.users is not None
    async with asyncio.TaskGroup() as group:
        for user in range(traffic.shard, spec.users, traffic.shards):
            group.create_task(_user(traffic, user, spec.ramp * user / spec.users))


async def _user(traffic: Traffic, user: int, comes: float) -> None:
    """Sends the next request when the last is answered, from `comes` seconds on."""
    await until(traffic.start + round(comes * SECOND))
    failures = 0
    while time.monotonic_ns() < traffic.end:
        index, prompt = traffic.next_prompt()
        if await traffic.converse(user, index, prompt):
            failures = 0
            continue
        failures += 1
        left = (traffic.end - time.monotonic_ns()) / SECOND
        await asyncio.sleep(max(0.0, min(BACK_OFF * 2 ** (failures - 1), LONGEST, left)))


def arrivals(spec: Spec, times: Sequence[float] = ()) -> Iterator[float]:
    """Yields seconds from the start, until the end of the duration; the same for the same seed.

    A Poisson process has exponential gaps of the mean 1 / rate. A trace has its `times`, divided by
    its speed.
    """
    if spec.mode == "trace":
        recorded = (at / spec.trace_speed for at in times)
        yield from itertools.takewhile(lambda at: at < spec.duration, recorded)
        return
    assert spec.rate is not None
    dice = random.Random(spec.seed)
    at = 0.0
    while True:
        at += dice.expovariate(spec.rate) if spec.mode == "poisson" else 1 / spec.rate
        if at >= spec.duration:
            return
        yield at


async def _open_loop(traffic: Traffic) -> None:
    """Sends each request when it arrives, whether or not those before have been answered."""
    async with asyncio.TaskGroup() as group:
        for number, at in enumerate(arrivals(traffic.spec, traffic.times)):
            if number % traffic.shards != traffic.shard:
                continue
            intended = traffic.start + round(at * SECOND)
            await until(intended)
            index, prompt = traffic.next_prompt()
            group.create_task(traffic.converse(number, index, prompt, intended))


async def until(stamp: int) -> None:
    """Returns when time.monotonic_ns() has come to the stamp."""
    wait = (stamp - time.monotonic_ns()) / SECOND
    if wait > 0:
        await asyncio.sleep(wait)
