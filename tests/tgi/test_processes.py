"""TGI's processes under the service: their start, their death under load, their end.

What TGI survives, and then does not, happens to one service, in the order of the tests.
"""

import asyncio
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from common.errors import StartError
from common.models.model import DEMO_MODEL, open_model
from common.processes.ports import LOOPBACK, free_ports
from common.processes.restarts import Restarts
from common.settings import Settings
from services.tgi import TGIEngine
from tests.contract.support import CHAT, GENERATE, assert_error, body_for, post
from tests.limits import AT_ONCE, DEADLINE
from tests.processes.test_stop import alive, assert_gone
from tests.processes.test_stop import stream as whole_stream
from tests.refusals import refusal, refusals_before_start
from tests.service_process import Service, eventually, start_service
from tests.tgi.servers import LAUNCHER, family

CLIENTS = 20
ENDLESS = {"max_tokens": 3000, "ignore_eos": True}


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with start_service("tgi", double_step_seconds=0.02) as started:
        yield started


@pytest.fixture
def ending_service(tmp_path: Path) -> Iterator[Service]:
    with start_service("tgi", double_step_seconds=0.02, tmpdir=tmp_path) as started:
        yield started


def launcher(service: Service) -> psutil.Process:
    return next(
        process
        for process in service.worker().children(recursive=True)
        if "tgi_double.launcher" in " ".join(process.cmdline())
    )


def tgi(service: Service) -> list[psutil.Process]:
    """The launcher, its shard and its router."""
    return family(launcher(service))


async def ask(service: Service, started: asyncio.Semaphore) -> tuple[str, float]:
    """An endless answer until it breaks: its last line, and when."""
    body = body_for(CHAT, "Tell me a story.", stream=True, **ENDLESS)
    line = ""
    async with (
        httpx.AsyncClient(base_url=service.url, timeout=60) as client,
        client.stream("POST", CHAT, json=body) as response,
    ):
        async for next_line in response.aiter_lines():
            if next_line and not line:
                started.release()
            line = next_line or line
    return line, time.monotonic()


async def test_a_client_that_leaves_ends_its_generation_in_tgi(service: Service) -> None:
    async with httpx.AsyncClient(base_url=service.url, timeout=60) as client:
        async with client.stream("POST", GENERATE, json={"prompt": "Hello", **ENDLESS}) as response:
            pieces = response.aiter_raw()
            await anext(pieces)
            begun = time.monotonic()
            while await running(client) != 1:
                assert time.monotonic() - begun < AT_ONCE
        begun = time.monotonic()
        while await running(client):
            assert time.monotonic() - begun < AT_ONCE


async def running(client: httpx.AsyncClient) -> float:
    text = (await client.get("/metrics")).text
    (line,) = [line for line in text.splitlines() if line.startswith("tgi_batch_current_size")]
    return float(line.split()[1])


@pytest.mark.parametrize("victim", [0, 2], ids=["launcher", "router"])
async def test_a_death_under_load_is_told_at_once_and_passes(service: Service, victim: int) -> None:
    processes = tgi(service)
    started = asyncio.Semaphore(0)
    clients = [asyncio.create_task(ask(service, started)) for _ in range(CLIENTS)]
    for _ in range(CLIENTS):
        await started.acquire()
    killed = time.monotonic()
    processes[victim].kill()
    for line, when in await asyncio.gather(*clients):
        assert '"code":"engine_dead"' in line
        assert when - killed < AT_ONCE
    await asyncio.to_thread(check_recovery, service, processes)


def check_recovery(service: Service, dead: list[psutil.Process]) -> None:
    def known() -> bool:
        """Before, it may only be known that nothing answers."""
        page = service.http.get("/livez")
        assert page.status_code == 200
        return "is being started again" in page.json().get("reason", "")

    eventually(known, DEADLINE, "the death is known")
    assert "started again" in assert_error(service.http.get("/readyz"), 503, "not_ready")
    refused = post(service, CHAT)
    assert_error(refused, 503, "not_ready")
    assert int(refused.headers["retry-after"]) > 0
    eventually(service.is_ready, DEADLINE, "it is back")
    assert_gone(dead)
    assert "reason" not in service.http.get("/livez").json()
    assert post(service, CHAT).status_code == 200


def test_a_dead_shard_is_replaced(service: Service) -> None:
    processes = tgi(service)
    before = times_back(service)
    processes[1].kill()
    wait_until_back(service, before + 1)
    assert_gone(processes)
    assert service.is_ready()


def times_back(service: Service) -> int:
    return service.log_text().count("TGI is back")


def wait_until_back(service: Service, times: int) -> None:
    eventually(lambda: times_back(service) == times, DEADLINE, "it is back")


def test_a_server_that_dies_again_and_again_is_given_up(service: Service) -> None:
    for times in range(times_back(service), Restarts().limit):
        tgi(service)[0].kill()
        wait_until_back(service, times + 1)
    tgi(service)[0].kill()
    eventually(lambda: service.http.get("/livez").status_code == 503, DEADLINE, "given up")
    for path in ("/livez", "/readyz"):
        assert_error(service.http.get(path), 503, "engine_dead")
    assert_error(post(service, CHAT), 503, "engine_dead")
    assert "TGI died with exit code 137; its last lines: " in service.log_text()


async def test_streams_outlive_a_stop_signal_and_then_nothing_is_left(
    ending_service: Service,
) -> None:
    service = ending_service
    everything = [service.worker(), *service.worker().children(recursive=True)]
    assert len(everything) >= 5
    started = asyncio.Event()
    running = asyncio.create_task(whole_stream(service, started, max_tokens=100))
    await started.wait()
    os.killpg(service.process.pid, signal.SIGTERM)
    for process in service.worker().children():
        process.send_signal(signal.SIGTERM)
    assert len(await running) > 50
    assert service.process.wait(DEADLINE) == 0
    assert_gone(everything)


@pytest.mark.parametrize("killed", ["worker", "guard", "supervisor"])
def test_whatever_is_killed_nothing_of_tgi_is_left(
    ending_service: Service, killed: str, tmp_path: Path
) -> None:
    service = ending_service
    worker = service.worker()
    processes = tgi(service)
    victims = {
        "worker": worker,
        "guard": processes[0].parent(),
        "supervisor": psutil.Process(service.process.pid),
    }
    victim = victims[killed]
    assert victim is not None
    victim.kill()
    if killed == "supervisor":
        service.process.wait()
    assert_gone(processes)
    if killed != "supervisor":
        eventually(service.is_ready, 60, "it is back")
        assert all(map(alive, tgi(service)))
        service.stop()
        assert not list(tmp_path.glob("llm-tgi-*"))


def test_a_start_that_fails_is_told_with_the_last_lines() -> None:
    line = refusal("tgi", double_start="fail")
    assert "TGI ended with exit code 1 while starting; its last lines: " in line
    assert "CUDA out of memory" in line


def test_a_start_that_takes_too_long_is_told_with_the_last_lines() -> None:
    line = refusal("tgi", double_start="hang", start_timeout=2)
    assert "'start_timeout': TGI was not ready within 2 s; its last lines: " in line
    assert "Starting shard rank=0" in line


async def test_a_port_that_another_has_taken_meanwhile_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = Settings(engine_args={"launcher": str(LAUNCHER)})
    engine = TGIEngine(settings, open_model(settings, DEMO_MODEL))
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        ports = [taken.getsockname()[1], *free_ports(2)]
        monkeypatch.setattr("services._tgi.launch.free_ports", lambda count: ports)
        try:
            with pytest.raises(StartError, match="TGI ended with exit code 1") as refused:
                await engine.start(lambda phase: None)
        finally:
            await engine.stop()
    assert "Address already in use" in str(refused.value)


def test_a_missing_launcher_is_told_with_the_command_that_makes_it() -> None:
    (line,) = refusals_before_start(
        "tgi", {"engine_args": {"launcher": "/opt/text-generation-launcher"}}
    )
    assert "was looked for at '/opt/text-generation-launcher'" in line
    assert "docker run --gpus all" in line
