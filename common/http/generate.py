"""POST /generate: JSON in, the answer out as raw UTF-8 text while it is generated."""

from common.http.body import read_body
from common.http.exchange import Exchange
from common.http.runtime import Runtime
from common.http.schemas import GenerateBody
from common.serving.job import Job


async def generate(exchange: Exchange, runtime: Runtime) -> str | None:
    """Returns the finish reason.

    An error after the first byte leaves the body without its terminating chunk.
    """
    body = await read_body(exchange, GenerateBody, runtime.settings.max_body_bytes)
    job = await runtime.generate_job(exchange.request_id, body)
    await exchange.run(_stream(exchange, runtime, job), runtime.generations)
    return job.answers[0].finish_reason


async def _stream(exchange: Exchange, runtime: Runtime, job: Job) -> None:
    async with runtime.pipeline.stream(job) as (first, deltas):
        await exchange.start_stream()
        send = exchange.send
        if first.text:
            await exchange.write(first.text.encode())
        async for delta in deltas:
            if delta.text:
                data = delta.text.encode()
                await send({"type": "http.response.body", "body": data, "more_body": True})
    await exchange.end()
