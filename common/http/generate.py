"""POST /generate: JSON in, the answer out as raw UTF-8 text while it is generated."""

from common.http.body import read_body
from common.http.exchange import Exchange
from common.http.runtime import Runtime
from common.http.schemas import GenerateBody
from common.serving.answer import Delta
from common.serving.job import Job

BEFORE, BEHIND = "<think>\n", "\n</think>\n\n"
"""Stand around reasoning, whatever the model's own marks are."""


class PlainText:
    """Makes one text of reasoning, where it is shown, and answer."""

    __slots__ = ("_thinking",)

    def __init__(self) -> None:
        self._thinking = False

    def __call__(self, delta: Delta) -> str:
        """Returns what is new in the text."""
        before = ""
        if delta.reasoning:
            before = delta.reasoning if self._thinking else BEFORE + delta.reasoning
            self._thinking = True
        if delta.text and self._thinking:
            before += BEHIND
            self._thinking = False
        return before + delta.text


async def generate(exchange: Exchange, runtime: Runtime) -> str | None:
    """Returns the finish reason.

    An error after the first byte leaves the body without its terminating chunk.
    """
    body = await read_body(exchange, GenerateBody, runtime.bodies)
    job = await runtime.generate_job(exchange.request_id, body)
    job.account, job.client = exchange.account, exchange.client
    exchange.adapter = job.adapter
    await exchange.run(_stream(exchange, runtime, job), runtime.generations)
    return job.answers[0].finish_reason


async def _stream(exchange: Exchange, runtime: Runtime, job: Job) -> None:
    async with runtime.pipeline.stream(job) as (first, deltas):
        await exchange.start_stream()
        send, plain, last = exchange.send, None if job.thinking is None else PlainText(), b""
        text = first.text if plain is None else plain(first)
        if text:
            await exchange.write(text.encode())
        async for delta in deltas:
            text = delta.text if plain is None else plain(delta)
            if delta.finish_reason is not None:
                last = text.encode()
            elif text:
                data = text.encode()
                await send({"type": "http.response.body", "body": data, "more_body": True})
    await exchange.end(last)
