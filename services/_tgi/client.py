"""HTTP to one TGI server, and answers that take one request after another.

The `text-generation` package is not used: it opens a session per call, limits a stream to ten
seconds, refuses top_p 1, and its pins exclude current releases of huggingface-hub.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import aiohttp
import orjson

from common.engine import Chunk
from common.errors import InternalError, StartError
from common.processes.remote_server import without_userinfo
from common.sampling import Sampling
from common.sse import sse_data
from services._tgi.prompt import Prompt, Prompts
from services._tgi.request import (
    MAX_NEW_TOKENS,
    PAUSE_AFTER,
    finish_reason,
    request_body,
    service_error,
    token_logprob,
)

JSON = {"content-type": "application/json"}
SHORT = aiohttp.ClientTimeout(total=5)
"""Timeout of requests without a forward pass, in seconds."""
STREAM = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=60)
"""A stream has a comment every 15 seconds, also while its request waits."""
BROKEN = (aiohttp.ClientError, OSError, asyncio.TimeoutError)


class BrokenStream(Exception):
    """The connection failed, or the stream ended before its last event."""


class TGIClient:
    """One pooled session. `url` may change: a server that is started again has another port."""

    def __init__(self, url: str = "") -> None:
        self.url = url
        connector = aiohttp.TCPConnector(limit=0)
        self._session = aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar()
        )

    async def close(self) -> None:
        await self._session.close()

    async def ready(self) -> bool:
        try:
            async with self._session.get(f"{self.url}/health", timeout=SHORT) as response:
                return response.status == 200
        except BROKEN:
            return False

    async def metrics(self) -> str:
        """Returns the server's page in Prometheus text, empty when it does not answer."""
        try:
            async with self._session.get(f"{self.url}/metrics", timeout=SHORT) as response:
                return await response.text() if response.status == 200 else ""
        except BROKEN:
            return ""

    async def info(self) -> dict[str, Any]:
        """Returns what the server says of itself. Raises StartError when this is no TGI server."""
        info = await self._json("GET", "/info")
        if isinstance(info, dict):
            return info
        raise StartError(f"{without_userinfo(self.url)}/info does not answer as TGI does")

    async def encode(self, text: str) -> list[int]:
        """Returns the ids that the server encodes a prompt to. Raises StartError."""
        tokens = await self._json("POST", "/tokenize", orjson.dumps({"inputs": text}))
        return [token["id"] for token in tokens]

    async def _json(self, method: str, path: str, body: bytes | None = None) -> Any:
        url = self.url + path
        try:
            async with self._session.request(
                method, url, data=body, headers=JSON, timeout=SHORT
            ) as response:
                if response.status == 200:
                    return await response.json(loads=orjson.loads)
                reason = f"HTTP {response.status}"
        except (*BROKEN, orjson.JSONDecodeError) as error:
            reason = repr(error)
        raise StartError(f"{without_userinfo(url)} does not answer as TGI does: {reason}")

    async def tokens(self, body: bytes) -> AsyncGenerator[dict[str, Any], None]:
        """Yield each token's event, to the one with `details`. Closing it ends the generation.

        Raises BrokenStream, and ServiceError for an error event.
        """
        try:
            async with self._session.post(
                f"{self.url}/generate_stream", data=body, headers=JSON, timeout=STREAM
            ) as response:
                if response.status != 200:
                    raise _response_error(response.status, await response.read())
                async with aclosing(sse_data(response.content.iter_any())) as events:
                    async for data in events:
                        event = orjson.loads(data)
                        if "error" in event:
                            raise service_error(event)
                        yield event
                        if event["details"] is not None:
                            return
        except BROKEN as error:
            raise BrokenStream(repr(error)) from error
        raise BrokenStream("the stream ended before its last event")


class Answer:
    """One answer, by one request after another where TGI stops too early.

    TGI stops at each of its own end tokens and after MAX_NEW_TOKENS. The rest is requested with
    the text so far, as TGI does it itself; but no more tokens come than were requested, and the
    last one of a request is never a part of a character.
    """

    def __init__(
        self,
        client: TGIClient,
        prompts: Prompts,
        max_model_len: int,
        sampling: Sampling,
        adapter: str | None = None,
    ) -> None:
        self._client = client
        self._prompts = prompts
        self._max_model_len = max_model_len
        self._sampling = sampling
        self._adapter = adapter
        self._texts: list[str] = []

    async def chunks(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        """Yield chunks, to the one with a finish reason."""
        left = self._sampling.max_tokens
        following = prompt
        while left > 0:
            async with aclosing(self._request(following, left)) as chunks:
                async for chunk in chunks:
                    yield chunk
                    if chunk.finish_reason is not None:
                        return
            following = prompt.followed_by("".join(self._texts))
            self._prompts.check(following.text)
            # Its text may be more tokens to TGI than the answer had.
            fitting = self._max_model_len - await self._prompts.count(following.text)
            left = min(self._sampling.max_tokens - len(self._texts), fitting)
        yield Chunk(finish_reason="length")

    async def _request(self, prompt: Prompt, left: int) -> AsyncGenerator[Chunk, None]:
        sampling, texts = self._sampling, self._texts
        top_logprobs = sampling.logprobs
        new_tokens = min(left, MAX_NEW_TOKENS)
        pause = len(texts) + (PAUSE_AFTER if left > new_tokens else left + 1)
        body = request_body(prompt, sampling, new_tokens, len(texts), self._adapter)
        async with aclosing(self._client.tokens(body)) as events:
            async for event in events:
                token = event["token"]
                token_id, text = token["id"], token["text"]
                texts.append(text)
                ended = event["details"] is not None
                finish = finish_reason(token_id, ended, len(texts), sampling)
                logprobs = None if top_logprobs is None else [token_logprob(event, top_logprobs)]
                yield Chunk((token_id,), logprobs=logprobs, finish_reason=finish)
                # There is no text while a character is incomplete.
                if len(texts) >= pause and text:
                    return


def _response_error(status: int, body: bytes) -> Exception:
    try:
        return service_error(orjson.loads(body))
    except (orjson.JSONDecodeError, AttributeError):
        return InternalError(f"TGI answered with HTTP {status}: {body[:200]!r}")
