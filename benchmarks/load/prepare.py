"""What the client asks of an endpoint beside its load: before the run, and after it."""

import asyncio
import hashlib
import json
import time
from collections.abc import Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import TypeVar

import aiohttp

from benchmarks.load.request import EndpointClient, Sent, body, conversation, open_session
from benchmarks.load.spec import LoadFailed, Spec
from benchmarks.load.summary import ttft
from benchmarks.prompts import Order, Prompt
from benchmarks.results.schema import Outcome, Warmth

S = TypeVar("S", bound=Spec)
QUESTION_TIMEOUT = 30.0
"""Seconds for a question that generates nothing."""
HASHED_IDS = 16
"""Prompts whose token ids are hashed."""
COUNTS_AT_ONCE = 8
COUNT_TIMEOUT = 60.0
"""Seconds for one text."""


class NotReady(LoadFailed):
    """The endpoint cannot be measured; the message says why and names it."""


async def with_model(spec: S) -> S:
    """Returns the spec with the first model that the endpoint lists, where none was named. Raises
    NotReady."""
    if spec.model is not None or spec.protocol == "generate":
        return spec
    url = f"{spec.url.rstrip('/')}/v1/models"
    async with open_session() as session:
        try:
            async with asyncio.timeout(QUESTION_TIMEOUT), session.get(url) as response:
                listed = await response.json(content_type=None)
                name = str(listed["data"][0]["id"])
        except (aiohttp.ClientError, TimeoutError) as error:
            raise NotReady(f"{url}: {str(error) or 'no answer'}") from None
        except (KeyError, IndexError, TypeError, ValueError):
            raise NotReady(f"{url} lists no model; name one with --model") from None
    return spec.model_copy(update={"model": name})


async def metrics_url(spec: Spec) -> str | None:
    """Returns the page of metrics that is sampled beside the run: the one that was named, else the
    endpoint's own, where there is one."""
    if spec.metrics_url is not None:
        return spec.metrics_url
    url = f"{spec.url.rstrip('/')}/metrics"
    async with open_session() as session:
        with suppress(aiohttp.ClientError, TimeoutError):
            async with asyncio.timeout(QUESTION_TIMEOUT), session.get(url) as response:
                return url if response.status == HTTPStatus.OK else None
    return None


async def warm_up(spec: Spec, order: Order) -> Warmth:
    """Sends at least one request, so that a wrong address or key ends here, and returns how warm
    the endpoint was. Raises NotReady.

    Each prompt begins with words of its own, so that the run finds none of them in a prefix cache.
    """
    count = max(spec.warm_up, 1)
    short = spec if spec.warm_up else spec.model_copy(update={"max_tokens": 1})
    at_once = asyncio.Semaphore(spec.users or count)
    async with open_session() as session:

        async def send(number: int) -> Sent:
            async with at_once:
                return await _send(session, short, order[number], number)

        requests = await asyncio.gather(*map(send, range(count)))
    failed = next((sent for sent in requests if sent.outcome is not Outcome.OK), None)
    if failed is not None:
        status = "" if failed.status in (None, 200) else f" {failed.status}"
        raise NotReady(f"{spec.url}: {failed.outcome}{status} at the warm-up: {failed.error}")
    return Warmth(
        requests=count,
        first_ttft=ttft(requests[0].record(0)),
        last_ttft=ttft(requests[-1].record(0)),
        cache_emptied=spec.reset_cache is not None,
    )


async def token_ids_hash(spec: Spec, order: Order) -> str | None:
    """Returns the hash of the token ids that the endpoint makes of the first prompts, each in its
    conversation, by its POST /tokenize; None where it does not tell them. Engines of equal hashes
    were asked the same, whatever their tokenizers and chat templates are called."""
    url = f"{spec.url.rstrip('/')}/tokenize"
    digest = hashlib.sha256()
    async with open_session() as session:
        for index in range(HASHED_IDS):
            prompt = order[index]
            fields = conversation(spec, [prompt.turns[0]], prompt.system)
            if spec.protocol == "generate":
                chat = spec.model_copy(update={"protocol": "chat"})
                fields = conversation(chat, [prompt.turns[0]], prompt.system)
            body = {**fields, **({} if spec.model is None else {"model": spec.model})}
            try:
                async with asyncio.timeout(COUNT_TIMEOUT), session.post(url, json=body) as response:
                    ids = [int(token) for token in (await response.json())["tokens"]]
            except (aiohttp.ClientError, TimeoutError, KeyError, TypeError, ValueError):
                return None
            digest.update(json.dumps(ids).encode())
    return digest.hexdigest()[:16]


async def reset_cache(spec: Spec) -> None:
    """Has the endpoint forget the prompts that it has seen, where the spec says how. Raises
    NotReady."""
    if spec.reset_cache is None:
        return
    url = f"{spec.url.rstrip('/')}/{spec.reset_cache.lstrip('/')}"
    async with open_session() as session:
        try:
            async with asyncio.timeout(QUESTION_TIMEOUT), session.post(url) as response:
                status = response.status
        except (aiohttp.ClientError, TimeoutError) as error:
            raise NotReady(f"POST {url}: {str(error) or 'no answer'}") from None
    if status >= HTTPStatus.BAD_REQUEST:
        raise NotReady(f"POST {url}: {status}; vLLM's is /reset_prefix_cache, in its dev mode only")


async def _send(session: aiohttp.ClientSession, spec: Spec, prompt: Prompt, number: int) -> Sent:
    text = f"Before the run, {number}. {prompt.turns[0]}"
    sent = Sent(number, number, 0, prompt.id, time.monotonic_ns())
    unshared = prompt.model_copy(update={"system": None})
    return await EndpointClient(session, spec).send(sent, body(spec, [text], unshared))


async def count_tokens(spec: Spec, requests: Sequence[Sent]) -> dict[int, int]:
    """Has the service's own tokenizer count the answers whose stream had no usage. Returns tokens
    by the index in `requests`.

    Its end token is not in the text of an answer, and a tokenizer may cut a text otherwise than the
    model made it: what is counted so is marked as an estimate ("tokenizer"). What the service does
    not count is left out, and so is an answer that is more than text, and one that broke off.
    """
    indices = [index for index, sent in enumerate(requests) if _is_uncounted(sent)]
    if not indices:
        return {}
    at_once = asyncio.Semaphore(COUNTS_AT_ONCE)
    async with open_session() as session:

        async def count(index: int) -> int | None:
            async with at_once:
                return await _count(session, spec, requests[index].text)

        counts = await asyncio.gather(*map(count, indices))
    return {at: tokens for at, tokens in zip(indices, counts, strict=True) if tokens is not None}


async def _count(session: aiohttp.ClientSession, spec: Spec, text: str) -> int | None:
    if not text:
        return 0
    url = f"{spec.url.rstrip('/')}/tokenize"
    try:
        async with (
            asyncio.timeout(COUNT_TIMEOUT),
            session.post(url, json={"prompt": text, "add_special_tokens": False}) as response,
        ):
            if response.status != HTTPStatus.OK:
                return None
            return int((await response.json())["count"])
    except (aiohttp.ClientError, TimeoutError, KeyError, TypeError, ValueError):
        return None


def _is_uncounted(sent: Sent) -> bool:
    if sent.outcome is not Outcome.OK or sent.reader is None:
        return False
    return sent.reader.content.usage is None and not sent.reader.content.more_than_text
