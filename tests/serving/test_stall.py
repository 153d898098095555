"""A hung engine is told to all who wait, and the service is ready again when it comes back."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress

import httpx
import pytest

from common.engine import Chunk, GenerateRequest, Health
from common.http.runtime import Runtime
from common.models.model import DEMO_MODEL
from common.serving import lifecycle as lifecycle_module
from common.serving.lifecycle import Lifecycle
from tests.contract.support import CHAT, COMPLETIONS, GENERATE, MESSAGES, body_for
from tests.in_process import AbleEcho, echo_runtime
from tests.limits import DEADLINE

TOKENS = 3
"""That a stream gets before the engine hangs."""


class HangingEcho(AbleEcho):
    """An engine that stands still as a whole: tokens, aborts and its health."""

    moves: asyncio.Event
    streaming: asyncio.Event

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        count = 0
        try:
            async for chunk in super().generate(request):
                if count == TOKENS and not request.probe:
                    self.moves.clear()
                    self.streaming.set()
                await self.moves.wait()
                count += 1
                yield chunk
        finally:
            while not self.moves.is_set():
                with suppress(asyncio.CancelledError):
                    await self.moves.wait()

    async def health(self) -> Health:
        await self.moves.wait()
        return await super().health()


class Trial:
    """A service in process over such an engine, and the time that its watchdog sees."""

    def __init__(self, runtime: Runtime, http: httpx.AsyncClient) -> None:
        assert isinstance(runtime.engine, HangingEcho)
        self.engine = runtime.engine
        self.runtime = runtime
        self.http = http
        self.lifecycle: Lifecycle = runtime.pipeline.lifecycle
        self._now = 1000.0
        self.pass_seconds(1)

    def ask(self, path: str, **fields: object) -> "asyncio.Task[httpx.Response]":
        body = body_for(path, "Hello", max_tokens=50, **fields)
        return asyncio.create_task(self.http.post(path, json=body))

    def pass_seconds(self, seconds: int) -> None:
        for _ in range(seconds):
            self._now += 1
            self.lifecycle.look(self._now, self.runtime.generations)

    async def hang(self) -> None:
        await asyncio.wait_for(self.engine.streaming.wait(), DEADLINE)
        self.pass_seconds(62)

    async def error(self, path: str) -> tuple[int, str]:
        answer = await self.http.get(path)
        return answer.status_code, answer.json().get("error", {}).get("code", "")


@pytest.fixture
async def trial(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Trial]:
    monkeypatch.setattr(lifecycle_module, "ANSWER_WAIT", 0.01)
    monkeypatch.setattr("common.http.exchange.ABORT_TIMEOUT", 0.01)
    monkeypatch.setattr(HangingEcho, "moves", asyncio.Event(), raising=False)
    monkeypatch.setattr(HangingEcho, "streaming", asyncio.Event(), raising=False)
    HangingEcho.moves.set()
    runtime, http = await echo_runtime(
        DEMO_MODEL, engine=HangingEcho, stall_timeout=60, stall_grace=30, probe_interval=3600
    )
    async with http:
        trial = Trial(runtime, http)
        yield trial
        HangingEcho.moves.set()


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS, MESSAGES])
async def test_a_stream_ends_with_the_error(trial: Trial, path: str) -> None:
    asking = trial.ask(path, stream=True)
    await trial.hang()
    answer = await asyncio.wait_for(asking, DEADLINE)
    last = answer.text.strip().rpartition("data: ")[2]
    assert answer.status_code == 200
    assert json.loads(last)["error"]["code"] == "engine_stalled"


async def test_who_has_no_token_yet_and_who_comes_later_get_503(trial: Trial) -> None:
    first, whole = trial.ask(GENERATE), trial.ask(CHAT)
    await trial.hang()
    await asyncio.gather(first, return_exceptions=True)
    for answer in (await whole, await trial.ask(COMPLETIONS)):
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "engine_stalled"
        assert int(answer.headers["retry-after"]) > 0


async def test_health_routes_answer_while_the_engine_does_not(trial: Trial) -> None:
    trial.ask(CHAT)
    await trial.hang()
    assert await trial.error("/readyz") == (503, "engine_stalled")
    assert await trial.error("/livez") == (200, "")
    assert "gen_ai_server_stalled{" in (await trial.http.get("/metrics")).text


async def test_it_is_ready_again_when_the_engine_comes_back(trial: Trial) -> None:
    asking = trial.ask(CHAT)
    await trial.hang()
    await asking
    trial.engine.moves.set()
    probe = trial.lifecycle._probe
    assert probe is not None
    await asyncio.wait_for(probe, DEADLINE)
    trial.pass_seconds(1)
    assert await trial.error("/readyz") == (200, "")
    assert (await trial.http.post(CHAT, json=body_for(CHAT, "Hello", max_tokens=2))).is_success


async def test_it_is_dead_when_the_engine_stays_away(trial: Trial) -> None:
    trial.ask(CHAT)
    await trial.hang()
    trial.pass_seconds(31)
    for path in ("/livez", "/readyz"):
        assert await trial.error(path) == (503, "engine_dead")
    assert "did not come back" in await trial.lifecycle.watch(trial.runtime.generations)
