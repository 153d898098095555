"""The base of engines in this process: when `stop` may come, and what holds then."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Callable
from typing import Any

import psutil
import pytest

import common.engine
from common.engine import Chunk, GenerateRequest, Health
from common.errors import StartError
from common.models.model import DEMO_MODEL, open_model
from common.processes.descendants import is_alive
from common.processes.in_process_engine import InProcessEngine
from common.settings import Settings
from tests.limits import DEADLINE

CHILD = [
    sys.executable,
    "-c",
    "import subprocess, sys, time\n"
    "grandchild = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(600)'])\n"
    "print(grandchild.pid, flush=True); time.sleep(600)",
]


class ToyEngine(InProcessEngine):
    """Its model is a child process, for whose end a load that hangs waits."""

    name = "toy"
    title = "Toy"
    release = version = "1"
    interface = "none"
    tested = common.engine.Tested()
    environment = {"TOY_VARIABLE": "set"}

    def __init__(self, *, load_hangs: bool = False, shut_down_fails: bool = False) -> None:
        settings = Settings()
        super().__init__(settings, open_model(settings, DEMO_MODEL))
        self.load_hangs = load_hangs
        self.shut_down_fails = shut_down_fails
        self.child: subprocess.Popen[bytes] | None = None
        self.grandchild: psutil.Process | None = None
        self.child_runs = threading.Event()
        self.calls: list[str] = []

    def _load(self) -> None:
        self.calls.append("load")
        self.child = subprocess.Popen(CHILD, stdout=subprocess.PIPE)
        assert self.child.stdout is not None
        with self.child.stdout as output:
            self.grandchild = psutil.Process(int(output.readline()))
        self.child_runs.set()
        if self.load_hangs:
            raise StartError(f"the child ended with {self.child.wait()}")

    async def _after_load(self) -> None:
        self.calls.append("after load")

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        self.calls.append(request.request_id)
        yield Chunk(finish_reason="length")

    async def health(self) -> Health:
        return Health(alive=True)

    async def _shut_down(self) -> None:
        self.calls.append("shut down")
        if self.shut_down_fails:
            raise RuntimeError("it did not close")

    def child_ended(self) -> bool:
        assert self.child is not None
        return self.child.wait(DEADLINE) == -signal.SIGKILL


@pytest.fixture(autouse=True)
def _variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_VARIABLE", "")
    monkeypatch.delenv("TOY_VARIABLE")


def start(engine: ToyEngine, report: Callable[[Any], None] = lambda _: None) -> asyncio.Task[None]:
    return asyncio.create_task(engine.start(report))


async def test_a_start_loads_and_warms_up() -> None:
    engine, phases = ToyEngine(), list[str]()
    await start(engine, phases.append)
    assert phases == ["load", "warm-up"]
    assert engine.calls == ["load", "after load", "warm-up"]
    assert os.environ["TOY_VARIABLE"] == "set"
    await engine.stop()
    assert engine.child_ended()


async def test_its_processes_do_not_heed_a_stop_signal_to_all_of_them() -> None:
    engine = ToyEngine()
    await start(engine)
    assert engine.child is not None
    engine.child.terminate()
    with pytest.raises(subprocess.TimeoutExpired):
        engine.child.wait(0)
    await engine.stop()
    assert engine.child_ended()


async def test_a_child_that_died_before_leaves_nothing_after_the_stop() -> None:
    engine = ToyEngine()
    await start(engine)
    assert engine.child is not None
    assert engine.grandchild is not None
    engine.child.kill()
    engine.child.wait()
    assert is_alive(engine.grandchild)
    await engine.stop()
    assert not is_alive(engine.grandchild)


async def test_of_two_stops_at_once_both_return_when_all_is_done() -> None:
    engine = ToyEngine()
    await start(engine)
    first = asyncio.create_task(engine.stop())
    await asyncio.sleep(0)
    await engine.stop()
    assert first.done() or not (await asyncio.wait([first], timeout=DEADLINE))[1]
    assert engine.child_ended()
    assert engine.calls.count("shut down") == 1


async def test_stopped_before_it_starts_it_does_not_start() -> None:
    engine = ToyEngine()
    await engine.stop()
    with pytest.raises(StartError, match="stopped while loading"):
        await start(engine)
    await engine.stop()
    assert engine.calls == []


async def test_stopped_while_it_loads_the_start_ends_and_so_does_what_it_began() -> None:
    engine = ToyEngine(load_hangs=True)
    starting = start(engine)
    await asyncio.to_thread(engine.child_runs.wait)
    await engine.stop()
    with pytest.raises(StartError):
        await starting
    assert engine.child_ended()
    assert engine.calls == ["load", "shut down"]


async def test_a_cancelled_start_is_stopped_like_any_other() -> None:
    engine = ToyEngine(load_hangs=True)
    starting = start(engine)
    await asyncio.to_thread(engine.child_runs.wait)
    starting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await starting
    await engine.stop()
    assert engine.child_ended()


async def test_stopped_after_a_start_that_failed_it_leaves_nothing() -> None:
    engine = ToyEngine(load_hangs=True)
    starting = start(engine)
    await asyncio.to_thread(engine.child_runs.wait)
    assert engine.child is not None
    engine.child.kill()
    with pytest.raises(StartError, match="the child ended with -9"):
        await starting
    await engine.stop()
    assert engine.child_ended()


async def test_stopped_twice_it_shuts_down_once() -> None:
    engine = ToyEngine()
    await start(engine)
    await engine.stop()
    await engine.stop()
    assert engine.calls.count("shut down") == 1
    assert engine.child_ended()


async def test_its_processes_end_even_when_it_does_not_close_well() -> None:
    engine = ToyEngine(shut_down_fails=True)
    await start(engine)
    await engine.stop()
    assert engine.child_ended()
