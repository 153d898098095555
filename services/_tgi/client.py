"""HTTP to one TGI server.

Not by the `text-generation` package: it opens a session per call, limits the whole stream to ten
seconds, refuses top_p 1, and its pins exclude current releases of huggingface-hub.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import aiohttp
import orjson

from common.errors import InternalError, StartError
from common.processes.remote_server import without_userinfo
from common.sse import sse_data
from services._tgi.request import service_error

JSON = {"content-type": "application/json"}
SHORT = aiohttp.ClientTimeout(total=5)
"""Seconds for what takes no forward pass."""
STREAM = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=60)
"""A stream has a comment every 15 seconds, also while its request waits."""
BROKEN = (aiohttp.ClientError, OSError, asyncio.TimeoutError)


class BrokenStream(Exception):
    """The connection failed, or the stream ended before its last event."""


class Client:
    """`url` may change: a server that is started again has another port."""

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
        """Empty when the server does not answer."""
        try:
            async with self._session.get(f"{self.url}/metrics", timeout=SHORT) as response:
                return await response.text() if response.status == 200 else ""
        except BROKEN:
            return ""

    async def info(self) -> dict[str, Any]:
        """Raises StartError when this is no TGI server."""
        info = await self._json("GET", "/info")
        if isinstance(info, dict):
            return info
        raise StartError(f"{without_userinfo(self.url)}/info does not answer as TGI does")

    async def encode(self, text: str) -> list[int]:
        """The ids that the server makes of a prompt. Raises StartError."""
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
                found = f"HTTP {response.status}"
        except (*BROKEN, orjson.JSONDecodeError) as error:
            found = repr(error)
        raise StartError(f"{without_userinfo(url)} does not answer as TGI does: {found}")

    async def tokens(self, body: bytes) -> AsyncGenerator[dict[str, Any], None]:
        """Each token's event, to the one with `details`. Closing it ends the generation.

        Raises BrokenStream, and ServiceError for an error that TGI tells.
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


def _response_error(status: int, body: bytes) -> Exception:
    try:
        return service_error(orjson.loads(body))
    except (orjson.JSONDecodeError, AttributeError):
        return InternalError(f"TGI answered with HTTP {status}: {body[:200]!r}")
