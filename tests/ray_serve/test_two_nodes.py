"""An app on a cluster of two nodes, a replica on each: used by its address, then with a node killed
under load. The tests build on each other's state, in their order."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.contract.support import CHAT, COMPLETIONS, GENERATE, Body, answer, model_card, text_of
from tests.limits import DEADLINE
from tests.ray_serve.conftest import TwoNodes
from tests.service_process import Service, eventually, start_service

TOKENS = 200
STREAMS = 6
"""On each of the two APIs: the load."""
BUSY = 2 * STREAMS - 2
AFTER = 12.0
"""Seconds of load after the kill."""
PROMPT = "What is the capital of France?"
BODY = {"prompt": PROMPT, "max_tokens": TOKENS, "temperature": 0, "ignore_eos": True}
FRANCE = "The capital of France is Paris."


@pytest.fixture(scope="module")
def app_url(on_two_nodes: Service, two_nodes: TwoNodes) -> str:
    """Where the app is, by Serve's own list of routes."""
    (route,) = httpx.get(f"{two_nodes.serve_url}/-/routes").json()
    return f"{two_nodes.serve_url}{route}"


def test_a_running_app_serves_by_its_address(app_url: str) -> None:
    with start_service("ray_serve", engine_url=app_url) as service:
        card = model_card(service)
        assert card["backend"] == "ray_serve"
        assert text_of(answer(service, CHAT, PROMPT, temperature=0)) == FRANCE
        assert service.http.get("/readyz").status_code == 200


@dataclass
class LoadOfStreams:
    """The outcome of each request: `errors` reach clients, `silent` is an answer cut unnoticed."""

    expected: str
    outcomes: Counter[str] = field(default_factory=Counter)
    failed_at: list[float] = field(default_factory=list)
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
        if outcome != "finished":
            self.failed_at.append(time.monotonic())

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
        """The status and all that came; raises httpx.RemoteProtocolError for a broken body."""
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
        except httpx.RemoteProtocolError:
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


async def test_a_killed_node_cuts_some_requests_which_are_told_and_the_others_go_on(
    on_two_nodes: Service, two_nodes: TwoNodes
) -> None:
    async with load(on_two_nodes) as running:
        await asyncio.wait_for(running.warm.wait(), 60)
        assert running.outcomes.keys() == {"finished"}
        await asyncio.wait_for(running.busy.wait(), 60)
        before = running.outcomes["finished"]
        await asyncio.to_thread(two_nodes.kill_second)
        killed = time.monotonic()
        await asyncio.sleep(AFTER)
        ready = on_two_nodes.http.get("/readyz").status_code
    print(f"{running.outcomes}, {before} of them before the kill;", end=" ")
    print("failures after", [f"{at - killed:.2f} s" for at in running.failed_at])
    assert running.outcomes["silent"] == 0
    assert running.outcomes["errors"] > 0
    assert running.outcomes["finished"] > before + 2 * STREAMS
    assert ready == 200


def test_a_stopped_service_takes_its_app_off_the_cluster(
    on_two_nodes: Service, two_nodes: TwoNodes
) -> None:
    on_two_nodes.stop()
    routes = f"{two_nodes.serve_url}/-/routes"
    eventually(lambda: httpx.get(routes).json() == {}, DEADLINE, "the app is gone from the cluster")
