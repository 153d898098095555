"""HTTP to an app of Ray Serve LLM."""

from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
import orjson

from common.processes.keepalive import keepalive_socket
from common.sse import sse_data

CONNECT_TIMEOUT = 10.0
ASK_TIMEOUT = 5.0
DONE = b"[DONE]"
MAX_ERROR_BYTES = 2**16


class Refused(Exception):
    """A status other than 200."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


class Client:
    """One pooled session. `url` may change: a launched app has another one after each start."""

    def __init__(self, url: str = "") -> None:
        self.url = url
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, socket_factory=keepalive_socket),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT),
            headers={"accept-encoding": "identity"},
        )

    async def close(self) -> None:
        await self._session.close()

    async def completion(
        self, body: dict[str, Any], request_id: str
    ) -> AsyncGenerator[dict[str, Any] | None, None]:
        """Each event of the stream; None for its proper end, without which it was cut.

        Closing this closes the connection, which aborts the generation. Raises Refused,
        aiohttp.ClientError.
        """
        headers = {"content-type": "application/json", "x-request-id": request_id}
        async with self._session.post(
            f"{self.url}/v1/completions", data=orjson.dumps(body), headers=headers
        ) as response:
            if response.status != 200:
                raise Refused(response.status, await response.content.read(MAX_ERROR_BYTES))
            async for data in sse_data(response.content.iter_any()):
                if data == DONE:
                    yield None
                    return
                yield orjson.loads(data)

    async def models(self) -> list[str]:
        """Their names; empty when the app does not answer."""
        try:
            async with self._session.get(f"{self.url}/v1/models") as response:
                answer = orjson.loads(await response.read()) if response.status == 200 else {}
        except (aiohttp.ClientError, OSError, orjson.JSONDecodeError):
            return []
        return [model["id"] for model in answer.get("data", ())]

    async def scrape(self, url: str) -> str:
        """Empty when nothing answers there."""
        try:
            timeout = aiohttp.ClientTimeout(total=ASK_TIMEOUT)
            async with self._session.get(url, timeout=timeout) as response:
                return await response.text() if response.status == 200 else ""
        except (aiohttp.ClientError, OSError, TimeoutError):
            return ""
