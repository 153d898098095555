"""POST /generate: JSON in, the answer out as raw UTF-8 text while it is made."""

from common.http.body import read_body
from common.http.cancellation import while_connected
from common.http.events import EVENT_STREAM, NO_CACHE
from common.http.exchange import Exchange
from common.http.runtime import Runtime
from common.http.schemas import GenerateBody
from common.serving.job import Job


async def generate(exchange: Exchange, runtime: Runtime) -> str:
    """Returns the finish reason.

    An error after the first byte leaves the body without its terminating chunk.
    """
    body = await read_body(exchange, GenerateBody, runtime.settings.max_body_bytes)
    job = await runtime.generate_job(exchange.request_id, body)
    await while_connected(exchange, runtime.generations, _stream(exchange, runtime, job))
    return job.answers[0].finish_reason or "stop"


async def _stream(exchange: Exchange, runtime: Runtime, job: Job) -> None:
    async with runtime.pipeline.stream(job) as (first, deltas):
        await exchange.start(200, EVENT_STREAM, [NO_CACHE])
        send = exchange.send
        if first.text:
            await exchange.write(first.text.encode())
        async for delta in deltas:
            if delta.text:
                data = delta.text.encode()
                await send({"type": "http.response.body", "body": data, "more_body": True})
    await exchange.end()
