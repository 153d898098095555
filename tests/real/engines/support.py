"""What the tests of single engines share: GPUs that share the model, and processes that die."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import psutil
import pytest

from tests.conftest import SETTINGS
from tests.contract.support import GENERATE, post
from tests.limits import DEADLINE
from tests.processes.test_stop import assert_gone, family, stream
from tests.service_process import REAL, Service, eventually, start_service


@contextmanager
def started(**settings: Any) -> Iterator[Service]:
    """The proved backend with these settings; nothing of it is left afterwards."""
    assert REAL is not None
    with start_service(REAL, **SETTINGS.get(REAL, {}), **settings) as service:
        processes = family(service)
        yield service
    assert_gone(processes)


def engine_processes(service: Service) -> list[psutil.Process]:
    """Those that compute: all below the worker but Python's own helper."""
    return [
        process
        for process in service.worker().children(recursive=True)
        if "resource_tracker" not in " ".join(process.cmdline())
    ]


def assert_capital(service: Service) -> None:
    """The demo model answers what it knows."""
    answer = post(service, GENERATE, "What is the capital of France?", temperature=0)
    assert "Paris" in answer.text, answer.text


async def assert_death_is_told(service: Service) -> None:
    """The last of the engine's processes dies: the stream breaks off, and health says so."""
    begun = asyncio.Event()
    running = asyncio.create_task(stream(service, begun, max_tokens=400))
    await begun.wait()
    engine_processes(service)[-1].kill()
    with pytest.raises(httpx.RemoteProtocolError):
        await asyncio.wait_for(running, DEADLINE)
    eventually(lambda: service.http.get("/readyz").status_code == 503, DEADLINE, "not ready")
    assert service.http.get("/readyz").json()["error"]["code"] == "engine_dead"
