"""HTTP to an app of Ray Serve LLM, and to the nodes that export its series."""

from collections.abc import AsyncGenerator, Iterable
from typing import Any

import aiohttp
import orjson

from common.processes.keepalive import keepalive_socket
from common.sse import sse_data

CONNECT_TIMEOUT = 10.0
SCRAPE_TIMEOUT = 5.0
DONE = b"[DONE]"
MAX_ERROR_BYTES = 2**16
SERIES_PREFIX = "ray_vllm_"
KV_CACHE_USAGE = "ray_vllm_kv_cache_usage_perc"


class RefusedByApp(Exception):
    """The app answered with another status than 200."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


class AppClient:
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
        """Yield each event of the stream; None for its proper end, without which it was cut.

        Closing this closes the connection, which aborts the generation. Raises RefusedByApp,
        aiohttp.ClientError.
        """
        headers = {"content-type": "application/json", "x-request-id": request_id}
        async with self._session.post(
            f"{self.url}/v1/completions", data=orjson.dumps(body), headers=headers
        ) as response:
            if response.status != 200:
                raise RefusedByApp(response.status, await response.content.read(MAX_ERROR_BYTES))
            async for data in sse_data(response.content.iter_any()):
                if data == DONE:
                    yield None
                    return
                yield orjson.loads(data)

    async def models(self) -> list[str]:
        """Returns the names of the app's models; none when it does not answer."""
        try:
            async with self._session.get(f"{self.url}/v1/models") as response:
                answer = orjson.loads(await response.read()) if response.status == 200 else {}
        except (aiohttp.ClientError, OSError, orjson.JSONDecodeError):
            return []
        return [model["id"] for model in answer.get("data", ())]

    async def scrape(self, url: str) -> str:
        """Returns a page of series; an empty one when nothing answers there."""
        try:
            timeout = aiohttp.ClientTimeout(total=SCRAPE_TIMEOUT)
            async with self._session.get(url, timeout=timeout) as response:
                return await response.text() if response.status == 200 else ""
        except (aiohttp.ClientError, OSError, TimeoutError):
            return ""


def vllm_series(scrapes: Iterable[str], model_id: str) -> str:
    """Returns vLLM's own series of one model, which Ray's nodes export beside Ray's.

    The lines of a family stand together, as the text format demands.
    """
    families: dict[str, list[str]] = {}
    of_model = f'model_name="{model_id}"'
    for scrape in scrapes:
        family: list[str] = []
        for line in scrape.splitlines():
            if line.startswith("# "):
                name = line.split(" ", 3)[2]
                family = families.setdefault(name, []) if name.startswith(SERIES_PREFIX) else []
                if line not in family:
                    family.append(line)
            elif line.startswith(SERIES_PREFIX) and of_model in line:
                family.append(line)
    kept = (f for f in families.values() if any(not line.startswith("#") for line in f))
    return "".join(f"{line}\n" for family in kept for line in family)


def kv_cache_usage(series: str) -> float | None:
    """Returns that of the fullest replica, 0 to 1."""
    samples = [line for line in series.splitlines() if line.startswith(f"{KV_CACHE_USAGE}{{")]
    return max((float(line.rpartition(" ")[2]) for line in samples), default=None)
