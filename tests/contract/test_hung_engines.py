"""An engine that hangs: its clients are told, and the service is ready again when it goes on.

Each engine is stopped where its tokens are made, over the services of the contract.
"""

import ctypes
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import httpx
import psutil
import pytest

from tests.contract.support import CHAT, Samples, body_for
from tests.limits import DEADLINE
from tests.service_process import Service, eventually

PROCESSES = {
    "vllm": "VLLM::EngineCore",
    "sglang": "sglang::schedul",
    "ray_serve": "VLLM::EngineCore",
    "triton": "tritonserver",
}
"""How the names of the processes begin that make the tokens."""
BACKENDS = [*PROCESSES, "transformers"]
SEIZE, INTERRUPT, DETACH, ALL_THREADS = 0x4206, 0x4207, 17, 0x40000000
"""Of ptrace(2) and waitpid(2), from linux/ptrace.h and linux/wait.h."""


@contextmanager
def stopped_processes(service: Service) -> Iterator[None]:
    name = PROCESSES[service.backend]
    processes = service.worker().children(recursive=True)
    victims = [each for each in processes if each.name().startswith(name)]
    assert victims, [each.name() for each in processes]
    for each in victims:
        each.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for each in victims:
            each.send_signal(signal.SIGCONT)


@contextmanager
def stopped_thread(service: Service) -> Iterator[None]:
    """Stop the thread that generates, and no other, as a kernel that never ends would."""
    thread, trace = busiest_thread(service.worker()), ctypes.CDLL(None).ptrace
    while True:
        assert trace(SEIZE, thread, None, None) == 0
        trace(INTERRUPT, thread, None, None)
        os.waitpid(thread, ALL_THREADS)
        try:
            httpx.get(f"{service.url}/livez", timeout=5)
            break
        except httpx.TimeoutException:
            # It held the lock of the interpreter, which no kernel does.
            trace(DETACH, thread, None, None)
    try:
        yield
    finally:
        trace(DETACH, thread, None, None)


def busiest_thread(process: psutil.Process) -> int:
    """Returns the thread beside the first one that has worked most within a second."""
    before = {each.id: each.user_time for each in process.threads()}
    time.sleep(1)
    worked = {each.id: each.user_time - before.get(each.id, 0) for each in process.threads()}
    del worked[process.pid]
    return max(worked, key=lambda thread: worked[thread])


class Client(Thread):
    """Asks for an answer without an end, and keeps its last line."""

    def __init__(self, service: Service, *, stream: bool) -> None:
        super().__init__()
        self._url = service.url
        self._body = body_for(CHAT, "Hello", max_tokens=4000, ignore_eos=True, stream=stream)
        self.last = ""
        self.start()

    def run(self) -> None:
        with httpx.stream("POST", self._url + CHAT, json=self._body, timeout=DEADLINE) as answer:
            for line in filter(None, answer.iter_lines()):
                self.last = line

    def error(self) -> str:
        self.join(DEADLINE)
        code: str = json.loads(self.last.removeprefix("data: "))["error"]["code"]
        return code


def health(service: Service, path: str) -> int:
    """Returns the status of a health route."""
    return httpx.get(service.url + path, timeout=DEADLINE).status_code


@pytest.mark.parametrize("backend_service", BACKENDS, indirect=True)
def test_a_hung_engine_is_told_to_clients_and_served_again_when_it_goes_on(
    backend_service: Service,
) -> None:
    service = backend_service
    stopped = stopped_processes if service.backend in PROCESSES else stopped_thread
    clients = [Client(service, stream=stream) for stream in (True, False)]
    eventually(lambda: Samples(service)["requests_running"] == 2, DEADLINE, "both run")
    eventually(lambda: bool(clients[0].last), DEADLINE, "the stream has begun")
    with stopped(service):
        eventually(lambda: health(service, "/readyz") == 503, DEADLINE, "it is not ready")
        assert [client.error() for client in clients] == ["engine_stalled"] * 2
        assert Samples(service)["stalled"] == 1
        assert health(service, "/livez") == 200
        late = httpx.post(service.url + CHAT, json=body_for(CHAT, "Hello"))
        assert (late.status_code, late.json()["error"]["code"]) == (503, "engine_stalled")
    service.wait_ready(DEADLINE)
    assert service.http.post(CHAT, json=body_for(CHAT, "Hello", max_tokens=4)).status_code == 200
    eventually(lambda: Samples(service)["requests_running"] == 0, DEADLINE, "nothing is left")
