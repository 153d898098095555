"""Nothing outlives the service, whatever ends it; what is under way finishes first."""

import asyncio
import os
import signal
from collections.abc import Iterator

import httpx
import psutil
import pytest

from tests.limits import DEADLINE
from tests.service_process import Service, eventually, start_service

SECONDS_TO_VANISH = 10.0
SLOW_ECHO = {"itl": 0.05}


def family(service: Service) -> list[psutil.Process]:
    """The supervisor and everything below it."""
    supervisor = psutil.Process(service.process.pid)
    return [supervisor, *supervisor.children(recursive=True)]


def assert_gone(processes: list[psutil.Process]) -> None:
    eventually(
        lambda: not any(map(alive, processes)), SECONDS_TO_VANISH, f"all of {processes} are gone"
    )


def alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def stream(service: Service, started: asyncio.Event, max_tokens: int = 60) -> str:
    """The whole text of one answer; `started` is set at its first piece."""
    body = {"prompt": "hello", "max_tokens": max_tokens, "ignore_eos": True}
    text = ""
    async with (
        httpx.AsyncClient(base_url=service.url, timeout=60) as client,
        client.stream("POST", "/generate", json=body) as response,
    ):
        async for piece in response.aiter_text():
            started.set()
            text += piece
    return text


@pytest.fixture
def slow_echo() -> Iterator[Service]:
    service = start_service("echo", engine_args=SLOW_ECHO)
    yield service
    service.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_streams_finish_new_requests_are_refused_and_then_nothing_is_left(
    slow_echo: Service, number: signal.Signals
) -> None:
    everything = family(slow_echo)
    started = asyncio.Event()
    running = asyncio.create_task(stream(slow_echo, started))
    await started.wait()
    slow_echo.process.send_signal(number)

    async with httpx.AsyncClient(base_url=slow_echo.url, timeout=DEADLINE) as client:
        async with asyncio.timeout(SECONDS_TO_VANISH):
            while (ready := await client.get("/readyz")).status_code == 200:
                pass
        refused = await client.post("/generate", json={"prompt": "late"})
    assert ready.json()["error"]["code"] == "draining"
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "draining")
    assert refused.headers["retry-after"]

    assert len(await running) > 20
    assert slow_echo.process.wait(SECONDS_TO_VANISH) == 0
    assert_gone(everything)


async def test_a_stop_to_the_whole_process_group_still_lets_streams_finish(
    slow_echo: Service,
) -> None:
    everything = family(slow_echo)
    started = asyncio.Event()
    running = asyncio.create_task(stream(slow_echo, started))
    await started.wait()
    os.killpg(slow_echo.process.pid, signal.SIGTERM)
    assert len(await running) > 20
    assert_gone(everything)


async def test_a_stream_longer_than_the_drain_timeout_is_cut_and_cannot_look_finished() -> None:
    with start_service("echo", drain_timeout=0.3, engine_args=SLOW_ECHO) as service:
        started = asyncio.Event()
        running = asyncio.create_task(stream(service, started, max_tokens=2000))
        await started.wait()
        service.process.send_signal(signal.SIGTERM)
        with pytest.raises(httpx.RemoteProtocolError):
            await running


def test_a_killed_worker_is_replaced_and_leaves_nothing(slow_echo: Service) -> None:
    worker = slow_echo.worker()
    old = [worker, *worker.children(recursive=True)]
    worker.kill()
    assert_gone(old)
    eventually(slow_echo.is_ready, 60, "a new worker serves")


def test_a_killed_supervisor_takes_its_worker_along(slow_echo: Service) -> None:
    everything = family(slow_echo)
    slow_echo.process.kill()
    slow_echo.process.wait()
    assert_gone(everything)
