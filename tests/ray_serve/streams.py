"""Streams on both APIs that are asked again and again, each of whose outcomes is counted."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.contract.support import COMPLETIONS, GENERATE, Body
from tests.service_process import Service

TOKENS = 200
STREAMS = 6
"""On each of the two APIs: the load."""
BUSY = 2 * STREAMS - 2
PROMPT = "What is the capital of France?"
BODY = {"prompt": PROMPT, "max_tokens": TOKENS, "temperature": 0, "ignore_eos": True}


@dataclass
class LoadOfStreams:
    """The outcome of each request: `errors` reach clients, `silent` is an answer cut unnoticed."""

    expected: str
    outcomes: Counter[str] = field(default_factory=Counter)
    stopped: bool = False
    enough: int = 4 * STREAMS
    warm: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once `enough` answers have finished."""
    begun: int = 0
    busy: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while nearly all clients are in the middle of an answer."""

    def count(self, outcome: str) -> None:
        self.outcomes[outcome] += 1
        if self.outcomes["finished"] >= self.enough:
            self.warm.set()

    @contextmanager
    def answering(self) -> Iterator[None]:
        """From the first piece of an answer to its end."""
        self.begun += 1
        if self.begun >= BUSY:
            self.busy.set()
        try:
            yield
        finally:
            self.begun -= 1
            if self.begun < BUSY:
                self.busy.clear()

    async def read(self, client: httpx.AsyncClient, path: str, body: Body) -> tuple[int, str]:
        """The status and all that came; raises an httpx.TransportError for a broken body."""
        async with client.stream("POST", path, json=body) as response:
            pieces = response.aiter_text()
            text = await anext(pieces)
            with self.answering():
                text += "".join([piece async for piece in pieces])
        return response.status_code, text

    async def generate(self, client: httpx.AsyncClient) -> None:
        """The text of /generate, whose body breaks off when the answer does."""
        try:
            status, text = await self.read(client, GENERATE, BODY)
        except (httpx.RemoteProtocolError, httpx.ReadError):
            # A reset may overtake the head of the response.
            self.count("errors")
            return
        if status != 200:
            self.count("errors" if json.loads(text)["error"]["code"] else "silent")
        else:
            self.count("finished" if text == self.expected else "silent")

    async def complete(self, client: httpx.AsyncClient) -> None:
        """Events of /v1/completions: the last one is [DONE], or an error."""
        body = {**BODY, "stream": True, "stream_options": {"include_usage": True}}
        status, text = await self.read(client, COMPLETIONS, body)
        *events, end = [e.removeprefix("data: ") for e in text.split("\n\n") if e]
        if status != 200 or end != "[DONE]":
            self.count("errors" if json.loads(end)["error"]["code"] else "silent")
            return
        used = json.loads(events[-1])["usage"]["completion_tokens"]
        self.count("finished" if used == TOKENS else "silent")

    async def repeat(self, request: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while not self.stopped:
            await request()


@asynccontextmanager
async def load(service: Service) -> AsyncIterator[LoadOfStreams]:
    async with httpx.AsyncClient(base_url=service.url, timeout=60) as client:
        expected = (await client.post(GENERATE, json=BODY)).text
        running = LoadOfStreams(expected)
        async with asyncio.TaskGroup() as group:
            for _ in range(STREAMS):
                group.create_task(running.repeat(lambda: running.generate(client)))
                group.create_task(running.repeat(lambda: running.complete(client)))
            try:
                yield running
            finally:
                running.stopped = True
