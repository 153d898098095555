"""The proof that an engine works: one probe at a time, and none that stays."""

import asyncio
import time
from collections.abc import AsyncGenerator

import pytest
from prometheus_client import CollectorRegistry

from common.engine import Chunk, GenerateRequest
from common.errors import EngineDead, EngineLost, InternalError, NotReady, ServiceError, StartError
from common.models.model import DEMO_MODEL, open_model
from common.sampling import Sampling
from common.serving import lifecycle as lifecycle_module
from common.serving.adapters import Adapters
from common.serving.admission import Admission
from common.serving.job import Job
from common.serving.lifecycle import Lifecycle
from common.serving.metrics import Metrics
from common.serving.pipeline import Pipeline
from common.settings import Settings
from common.text.tokenizer import Tokenizer
from services.echo import EchoEngine

AT_ONCE = Settings(probe_interval=1e-9)
"""Each check of readiness generates a token."""


class Stuck(EchoEngine):
    """An engine that gives no token while `stuck`."""

    stuck = False
    asked = 0
    closed = 0

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        self.asked += 1
        if self.stuck:
            try:
                await asyncio.Event().wait()
            finally:
                self.closed += 1
        async for chunk in super().generate(request):
            yield chunk


async def started(monkeypatch: pytest.MonkeyPatch) -> tuple[Stuck, Lifecycle]:
    monkeypatch.setattr(lifecycle_module, "PROBE_TIMEOUT", 0.1)
    settings = Settings()
    engine, lifecycle = Stuck(settings, open_model(settings, DEMO_MODEL)), Lifecycle(AT_ONCE)
    await lifecycle.start(engine)
    return engine, lifecycle


async def test_a_stuck_probe_ends_and_the_next_one_recovers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine, lifecycle = await started(monkeypatch)
    engine.stuck = True
    asked = engine.asked
    results = await asyncio.gather(
        *(lifecycle.check_ready() for _ in range(3)), return_exceptions=True
    )
    assert [type(result) for result in results] == [NotReady] * 3
    assert "no token came within 0.1 s" in str(results[0])
    assert (engine.asked - asked, engine.closed) == (1, 1)
    engine.stuck = False
    await lifecycle.check_ready()


async def test_a_probe_whose_callers_have_left_ends_quietly(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    engine, lifecycle = await started(monkeypatch)
    engine.stuck = True
    caller = asyncio.create_task(lifecycle.check_ready())
    await asyncio.wait([caller], timeout=0.02)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    assert engine.closed == 0
    probe = lifecycle._probe
    assert probe is not None
    await asyncio.wait([probe], timeout=10)
    lifecycle._probe = None
    del probe
    assert engine.closed == 1
    assert "never retrieved" not in caplog.text


@pytest.mark.parametrize("error", [InternalError("it broke"), EngineDead("it broke")])
async def test_a_start_without_a_generation_is_one_line(error: ServiceError) -> None:
    class Broken(EchoEngine):
        async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
            raise error
            yield Chunk()

    settings = Settings()
    engine = Broken(settings, open_model(settings, DEMO_MODEL))
    with pytest.raises(StartError, match=r"^Echo does not generate: .*it broke$"):
        await Lifecycle(AT_ONCE).start(engine)


class Lost(EchoEngine):
    """An engine behind a server that goes on running after what generates in it has died."""

    lost = False

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        if self.lost:
            raise EngineLost("send it again")
        async for chunk in super().generate(request):
            yield chunk


async def test_after_a_lost_request_a_service_that_generates_nothing_is_not_ready() -> None:
    settings = Settings()
    engine, lifecycle = (
        Lost(settings, open_model(settings, DEMO_MODEL)),
        Lifecycle(Settings(probe_interval=3600)),
    )
    await lifecycle.start(engine)
    metrics = Metrics(("a", "b", "c"), CollectorRegistry())
    adapters, admission = Adapters(engine), Admission(1, 0, 1)
    pipeline = Pipeline(
        engine,
        Tokenizer(DEMO_MODEL),
        admission,
        lifecycle,
        metrics,
        adapters,
        Settings(first_token_timeout=1),
    )
    await lifecycle.check_ready()
    engine.lost = True
    with pytest.raises(EngineLost):
        async with pipeline.stream(Job("a", [(5,)], Sampling(1))):
            pass
    # What other requests still had in hand proves nothing.
    lifecycle.watchdog.last_token = time.perf_counter()
    with pytest.raises(NotReady, match="a forward pass failed"):
        await lifecycle.check_ready()
    await lifecycle.check_alive()
    engine.lost = False
    await lifecycle.check_ready()
