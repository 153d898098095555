"""Server-sent events in OpenAI's framing, with everything constant serialized once."""

from collections.abc import Mapping
from typing import Any

import orjson

from common.errors import ServiceError
from common.http.exchange import Exchange
from common.serving.job import Job

EVENT_STREAM = b"text/event-stream; charset=utf-8"
NO_CACHE = (b"cache-control", b"no-cache")
DONE = b"data: [DONE]\n\n"


def event(value: Mapping[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"


async def start_events(exchange: Exchange) -> None:
    await exchange.start(200, EVENT_STREAM, [NO_CACHE])


async def fail_events(exchange: Exchange, error: ServiceError) -> None:
    """One error event and the end, without [DONE]: it cannot be taken for a finished answer."""
    await exchange.write(event(error.body(exchange.request_id)))
    await exchange.end()


def usage(job: Job) -> dict[str, Any]:
    """OpenAI's usage object; cached tokens only where the engine tells."""
    prompt, completion = job.prompt_tokens, job.completion_tokens
    value: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    if job.cached_tokens is not None:
        value["prompt_tokens_details"] = {"cached_tokens": job.cached_tokens}
    return value


class TextEvents:
    """The event of one piece of text: constant bytes around a JSON string."""

    __slots__ = ("_heads", "_tail")

    def __init__(self, frame: Mapping[str, Any], choice: Mapping[str, Any], answers: int) -> None:
        """`choice`, copied per answer, holds the placeholder "@" where the text goes."""
        self._heads = []
        for index in range(answers):
            value = {**frame, "choices": [{"index": index, **choice}]}
            head, _, self._tail = event(value).rpartition(b'"@"')
            self._heads.append(head)

    def __call__(self, index: int, text: str) -> bytes:
        return self._heads[index] + orjson.dumps(text) + self._tail
