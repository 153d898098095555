"""A process's share of a run, as numbers that can be handed on."""

from pydantic import BaseModel, ConfigDict

from benchmarks.load.after import count_tokens
from benchmarks.load.health import Health
from benchmarks.load.request import NANO
from benchmarks.load.run import Told, run
from benchmarks.load.spec import Spec
from benchmarks.prompts import Order
from benchmarks.results.schema import Request


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
    tokens = await count_tokens(spec, measured.requests)
    made = [sent.record(start, tokens.get(i)) for i, sent in enumerate(measured.requests)]
    return Share(
        requests=tuple(sorted(made, key=lambda request: request.ended)),
        health=measured.health,
        end=(measured.ended - start) * NANO,
        interrupted=measured.interrupted,
    )
