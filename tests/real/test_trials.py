"""Drain, kill and cancel: what runs ends well, what is killed comes back, and nothing is left."""

import asyncio
import os
import signal

from tests.contract.support import GENERATE, post
from tests.processes.test_stop import assert_gone, family, stream
from tests.real.marks import real
from tests.service_process import START_DEADLINE, Service

pytestmark = real()
STOP_SECONDS = 30.0


async def test_a_stop_signal_lets_streams_finish_and_ends_every_process(
    fresh_real_service: Service,
) -> None:
    service, processes = fresh_real_service, family(fresh_real_service)
    started = asyncio.Event()
    running = asyncio.create_task(stream(service, started, max_tokens=200))
    await started.wait()
    os.killpg(service.process.pid, signal.SIGTERM)
    assert len(await running) > 100
    assert service.process.wait(STOP_SECONDS) == 0
    assert_gone(processes)
    assert "Traceback" not in service.log_text()


def test_a_killed_worker_takes_its_engine_along_and_comes_back(fresh_real_service: Service) -> None:
    worker = fresh_real_service.worker()
    processes = [worker, *worker.children(recursive=True)]
    worker.kill()
    assert_gone(processes)
    fresh_real_service.wait_ready(START_DEADLINE)
    assert post(fresh_real_service, GENERATE, "Hello", max_tokens=2).status_code == 200


def test_a_killed_supervisor_leaves_nothing(fresh_real_service: Service) -> None:
    processes = family(fresh_real_service)
    fresh_real_service.process.kill()
    fresh_real_service.process.wait()
    assert_gone(processes)
