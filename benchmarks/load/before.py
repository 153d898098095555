"""What happens before a run: the endpoint is asked what it serves, and warmed up."""

import asyncio
import time
from contextlib import suppress
from http import HTTPStatus

import aiohttp

from benchmarks.load.connection import endpoint, session
from benchmarks.load.messages import body
from benchmarks.load.request import Sent
from benchmarks.load.spec import Spec
from benchmarks.prompts import Order, Prompt
from benchmarks.results.schema import Outcome

LOOK_TIMEOUT = 30.0
"""Seconds for a question that generates nothing."""


class NotReady(Exception):
    """The endpoint cannot be measured; the message says why and names it."""


async def with_model(spec: Spec) -> Spec:
    """With the first model that the endpoint lists, where none was named. Raises NotReady."""
    if spec.model is not None or spec.protocol == "generate":
        return spec
    url = f"{spec.url.rstrip('/')}/v1/models"
    async with session() as client:
        try:
            async with asyncio.timeout(LOOK_TIMEOUT), client.get(url) as answer:
                listed = await answer.json(content_type=None)
                name = str(listed["data"][0]["id"])
        except (aiohttp.ClientError, TimeoutError) as error:
            raise NotReady(f"{url}: {str(error) or 'no answer'}") from None
        except (KeyError, IndexError, TypeError, ValueError):
            raise NotReady(f"{url} lists no model; name one with --model") from None
    return spec.model_copy(update={"model": name})


async def metrics_of(spec: Spec) -> str | None:
    """The endpoint's own page of metrics, where there is one."""
    url = f"{spec.url.rstrip('/')}/metrics"
    async with session() as client:
        with suppress(aiohttp.ClientError, TimeoutError):
            async with asyncio.timeout(LOOK_TIMEOUT), client.get(url) as answer:
                return url if answer.status == HTTPStatus.OK else None
    return None


async def warm_up(spec: Spec, order: Order) -> None:
    """By at least one request, so that a wrong address or key ends here. Raises NotReady.

    Each prompt begins with words of its own, so that the run finds none of them in a prefix cache.
    """
    count = max(spec.warmup, 1)
    short = spec if spec.warmup else spec.model_copy(update={"max_tokens": 1})
    width = asyncio.Semaphore(spec.users or count)
    async with session() as client:

        async def one(place: int) -> Sent:
            async with width:
                return await _send(client, short, order[place], place)

        made = await asyncio.gather(*map(one, range(count)))
    failed = next((sent for sent in made if sent.outcome is not Outcome.OK), None)
    if failed is not None:
        status = "" if failed.status in (None, 200) else f" {failed.status}"
        raise NotReady(f"{spec.url}: {failed.outcome}{status} at the warm-up: {failed.error}")


async def reset_cache(spec: Spec, path: str) -> None:
    """Have the endpoint forget the prompts that it has seen. Raises NotReady."""
    url = f"{spec.url.rstrip('/')}/{path.lstrip('/')}"
    async with session() as client:
        try:
            async with asyncio.timeout(LOOK_TIMEOUT), client.post(url) as answer:
                status = answer.status
        except (aiohttp.ClientError, TimeoutError) as error:
            raise NotReady(f"POST {url}: {str(error) or 'no answer'}") from None
    if status >= HTTPStatus.BAD_REQUEST:
        raise NotReady(f"POST {url}: {status}; vLLM's is /reset_prefix_cache, in its dev mode only")


async def _send(client: aiohttp.ClientSession, spec: Spec, prompt: Prompt, place: int) -> Sent:
    text = f"Before the run, {place}. {prompt.turns[0]}"
    sent = Sent(place, place, 0, prompt.id, time.monotonic_ns())
    return await endpoint(client, spec).send(sent, body(spec, [text], prompt.max_tokens))
