"""Tokens of answers whose stream has no usage: the service's own tokenizer counts their text.

POST /generate streams text alone. Its end token is not in the text, and a tokenizer may cut a text
otherwise than the model made it: what is counted so is marked as an estimate ("tokenizer").
"""

import asyncio
from collections.abc import Sequence

import aiohttp

from benchmarks.load.connection import session
from benchmarks.load.request import Sent
from benchmarks.load.spec import Spec
from benchmarks.results.schema import Outcome

AT_ONCE = 8
TIMEOUT = 60.0
"""Seconds for one text."""


async def count_tokens(spec: Spec, requests: Sequence[Sent]) -> dict[int, int]:
    """By place in `requests`, of whole answers; what the service does not count is left out."""
    todo = [
        place
        for place, sent in enumerate(requests)
        if sent.outcome is Outcome.OK and not _usage(sent)
    ]
    if not todo:
        return {}
    width = asyncio.Semaphore(AT_ONCE)
    async with session() as client:

        async def one(place: int) -> int | None:
            async with width:
                return await _count(client, spec, requests[place].text)

        counts = await asyncio.gather(*map(one, todo))
    return {place: count for place, count in zip(todo, counts, strict=True) if count is not None}


async def _count(client: aiohttp.ClientSession, spec: Spec, text: str) -> int | None:
    if not text:
        return None
    url = f"{spec.url.rstrip('/')}/tokenize"
    try:
        async with (
            asyncio.timeout(TIMEOUT),
            client.post(url, json={"prompt": text, "add_special_tokens": False}) as answer,
        ):
            if answer.status != 200:
                return None
            return int((await answer.json())["count"])
    except (aiohttp.ClientError, TimeoutError, KeyError, TypeError, ValueError):
        return None


def _usage(sent: Sent) -> bool:
    return sent.reader is not None and sent.reader.heard.usage is not None
