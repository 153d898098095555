"""An app and a cluster of our own: clients learn of their death, and nothing outlives us.

The tests share one service, in their order: that of the contract, which they end.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import httpx
import psutil
import pytest

from tests.contract.support import GENERATE
from tests.limits import AT_ONCE, DEADLINE
from tests.processes.test_stop import assert_gone, family
from tests.service_process import Service, eventually

STREAMS = 4
TOLD_WITHIN = AT_ONCE
"""Seconds from the death of the driver to the last client's error."""
NOTICED_WITHIN = DEADLINE
"""Seconds until a death shows in the health routes, and what a dead driver left is ended."""
START_SECONDS = 240.0


pytestmark = pytest.mark.parametrize("backend_service", ["ray_serve"], indirect=True)


@pytest.fixture
def service(backend_service: Service) -> Service:
    return backend_service


def driver(service: Service) -> psutil.Process:
    """The guard has its command line as arguments of its own."""
    processes = service.worker().children(recursive=True)
    return next(p for p in processes if p.cmdline()[1:] == ["-m", "services._ray_serve.app"])


def named(service: Service, name: str) -> psutil.Process:
    processes = service.worker().children(recursive=True)
    return next(process for process in processes if process.name().startswith(name[:15]))


async def fall(client: httpx.AsyncClient, started: asyncio.Event) -> float:
    """When an answer that must break off does."""
    body = {"prompt": "hello", "max_tokens": 4000, "ignore_eos": True}
    async with client.stream("POST", GENERATE, json=body) as response:
        assert response.status_code == 200, await response.aread()
        pieces = response.aiter_text()
        await anext(pieces)
        started.set()
        with pytest.raises(httpx.RemoteProtocolError):
            await join(pieces)
    return time.monotonic()


async def join(pieces: AsyncIterator[str]) -> str:
    return "".join([piece async for piece in pieces])


async def broken_off(service: Service, victim: Callable[[], psutil.Process]) -> None:
    """Kill one under load: every client has its error in time."""
    async with httpx.AsyncClient(base_url=service.url, timeout=60) as client:
        started = [asyncio.Event() for _ in range(STREAMS)]
        falling = [asyncio.create_task(fall(client, event)) for event in started]
        for event in started:
            await event.wait()
        victim().kill()
        died = time.monotonic()
        assert max(await asyncio.gather(*falling)) - died < TOLD_WITHIN


async def test_a_dead_engine_is_told_to_every_client_and_replaced_by_ray(service: Service) -> None:
    await broken_off(service, lambda: named(service, "VLLM::EngineCore"))
    eventually(lambda: not service.is_ready(), NOTICED_WITHIN, "/readyz says it")
    assert service.http.get("/livez").status_code == 200
    service.wait_ready()
    assert service.http.post(GENERATE, json={"prompt": "hello"}).status_code == 200


async def test_a_dead_driver_is_told_to_every_client_and_by_the_health_routes(
    service: Service,
) -> None:
    old = driver(service).children(recursive=True)
    await broken_off(service, lambda: driver(service))
    ready = service.http.get("/readyz")
    refused = service.http.post(GENERATE, json={"prompt": "hello"})
    assert (ready.status_code, refused.status_code) == (503, 503)
    assert ready.json()["error"]["code"] == "not_ready"
    assert refused.json()["error"]["code"] in ("not_ready", "engine_dead")

    def reported() -> bool:
        alive = service.http.get("/livez")
        return alive.status_code == 200 and "started again" in alive.json().get("reason", "")

    eventually(reported, NOTICED_WITHIN, "/livez says what happens")
    assert_gone(old)
    service.wait_ready()
    assert service.http.post(GENERATE, json={"prompt": "hello"}).status_code == 200


def test_a_killed_worker_leaves_nothing_of_the_cluster(service: Service) -> None:
    worker = service.worker()
    old = [worker, *worker.children(recursive=True)]
    assert {"raylet", "gcs_server"} <= {process.name() for process in old}
    worker.kill()
    assert_gone(old)


def test_a_killed_supervisor_leaves_nothing_even_of_a_cluster_that_starts(service: Service) -> None:
    def starting() -> bool:
        return any(process.name() == "raylet" for process in family(service))

    eventually(starting, START_SECONDS, "a new cluster is starting")
    old = family(service)
    service.process.kill()
    service.process.wait()
    assert_gone(old)
