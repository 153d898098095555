"""From a job to its response, at once or as a stream, on every route that answers with objects."""

from typing import Any, Protocol

import orjson

from common.errors import ServiceError
from common.http.exchange import Exchange
from common.http.runtime import Runtime
from common.serving.answer import Delta
from common.serving.job import Job


class Frames(Protocol):
    """Makes bodies of deltas: events, of which `last` ends the stream, or one object."""

    def first(self) -> bytes: ...
    def delta(self, delta: Delta) -> bytes: ...
    def last(self) -> bytes: ...
    def response(self, deltas: list[Delta]) -> dict[str, Any]: ...


async def respond(
    exchange: Exchange, runtime: Runtime, job: Job, frames: Frames, *, stream: bool
) -> str | None:
    """Returns the finish reason of the first answer."""
    job.client = exchange.client
    send = _stream if stream else _send_at_once
    try:
        await exchange.run(send(exchange, runtime, job, frames), runtime.generations)
    except ServiceError as error:
        if exchange.started:
            # Without the last event it cannot be taken for a finished answer.
            await exchange.write(exchange.dialect.event(error, exchange.request_id))
            await exchange.end()
        raise
    return job.answers[0].finish_reason


async def _stream(exchange: Exchange, runtime: Runtime, job: Job, frames: Frames) -> None:
    async with runtime.pipeline.stream(job) as (first, deltas):
        await exchange.start_stream()
        frame, send, last = frames.delta, exchange.send, b""
        await exchange.write(frames.first() + frame(first))
        alone = len(job.answers) == 1
        async for delta in deltas:
            data = frame(delta)
            if alone and delta.finish_reason is not None:
                last = data
            elif data:
                await send({"type": "http.response.body", "body": data, "more_body": True})
    await exchange.end(last + frames.last())


async def _send_at_once(exchange: Exchange, runtime: Runtime, job: Job, frames: Frames) -> None:
    async with runtime.pipeline.stream(job) as (first, deltas):
        collected = [first, *[delta async for delta in deltas]]
    await exchange.respond(200, orjson.dumps(frames.response(collected)))
