"""A process's share of a run, as numbers that can be handed on."""

import asyncio
import signal

from pydantic import BaseModel, ConfigDict

from benchmarks.load.after import count_tokens
from benchmarks.load.glance import Told
from benchmarks.load.health import Health
from benchmarks.load.request import NANO, Sent
from benchmarks.load.run import run
from benchmarks.load.spec import Spec
from benchmarks.prompts import Order
from benchmarks.results.schema import Request

ENDS = (signal.SIGINT, signal.SIGTERM)


class Share(BaseModel):
    """`end` in seconds from the start of the run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    requests: tuple[Request, ...]
    health: Health
    end: float
    interrupted: bool


async def share(
    spec: Spec,
    order: Order,
    *,
    start: int,
    shard: int = 0,
    shards: int = 1,
    told: Told | None = None,
) -> Share:
    """Requests in the order of their ends."""
    measured = await run(spec, order, start=start, shard=shard, shards=shards, told=told)
    tokens, stopped = await _counted(spec, measured.requests)
    made = [sent.record(start, tokens.get(i)) for i, sent in enumerate(measured.requests)]
    return Share(
        requests=tuple(sorted(made, key=lambda request: request.ended)),
        health=measured.health,
        end=(measured.ended - start) * NANO,
        interrupted=measured.interrupted or stopped,
    )


async def _counted(spec: Spec, requests: list[Sent]) -> tuple[dict[int, int], bool]:
    """And whether SIGINT ended it: then what was measured is kept without its count."""
    work = asyncio.create_task(count_tokens(spec, requests))
    loop = asyncio.get_running_loop()
    for number in ENDS:
        loop.add_signal_handler(number, work.cancel)
    try:
        return await work, False
    except asyncio.CancelledError:
        return {}, True
    finally:
        for number in ENDS:
            loop.remove_signal_handler(number)
