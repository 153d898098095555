"""A tritonserver beside the service, and clients that wait for tokens."""

import asyncio
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from common.processes.ports import free_ports
from common.settings import Settings
from services._compiled.tensorrt_engine import check_engine_dir
from services._triton.repository import write_repository
from tests.contract.support import CHAT, user
from tests.service_process import REPOSITORY, Service, eventually, start_service, with_double

DOUBLE = REPOSITORY / "tests" / "doubles" / "triton"
ENGINE = DOUBLE / "engine"
START_SECONDS = 60.0
STREAMS = 12


def triton(**settings: Any) -> Service:
    return start_service("triton", **{"engine_dir": ENGINE, **settings})


def below(process: int) -> list[psutil.Process]:
    return psutil.Process(process).children(recursive=True)


def server_of(service: Service) -> psutil.Process:
    """The tritonserver that the service started."""
    (process,) = [child for child in below(service.process.pid) if child.name() == "tritonserver"]
    return process


def alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@dataclass
class EndedStream:
    """How a stream ended: its last event, and when."""

    last: dict[str, Any]
    at: float


class Watchers:
    """Clients that stream long answers."""

    def __init__(self, service: Service) -> None:
        self._url = service.url
        self._begun = 0
        self._all_begun = asyncio.Event()

    async def watch(self) -> EndedStream:
        body = {"messages": user("Tell me a story."), "stream": True, "ignore_eos": True}
        last: dict[str, Any] = {}
        async with (
            httpx.AsyncClient(base_url=self._url, timeout=60) as client,
            client.stream("POST", CHAT, json=body | {"max_tokens": 3000}) as response,
        ):
            assert response.status_code == 200
            async for line in response.aiter_lines():
                if line.startswith("data: {"):
                    if not last:
                        self._count()
                    last = json.loads(line.removeprefix("data: "))
        return EndedStream(last, time.monotonic())

    def _count(self) -> None:
        self._begun += 1
        if self._begun == STREAMS:
            self._all_begun.set()

    async def begin(self) -> list[asyncio.Task[EndedStream]]:
        """Returns when each of them has got something."""
        tasks = [asyncio.create_task(self.watch()) for _ in range(STREAMS)]
        await asyncio.wait_for(self._all_begun.wait(), START_SECONDS)
        return tasks


@dataclass
class RunningServer:
    """A tritonserver that nobody supervises."""

    root: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"127.0.0.1:{self.port}"

    def kill(self) -> None:
        self.process.kill()

    def close(self) -> None:
        """Its models run in processes of their own, which its end does not end."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def running_server(root: Path, port: int | None = None) -> Iterator[RunningServer]:
    """Serves the repository at `root`, on the same `port` again if asked to."""
    grpc_port, http = free_ports(2)
    port = port or grpc_port
    command = [
        str(DOUBLE / "bin" / "tritonserver"),
        f"--model-repository={root}",
        "--disable-auto-complete-config",
        "--grpc-address=127.0.0.1",
        f"--grpc-port={port}",
        "--http-address=127.0.0.1",
        f"--http-port={http}",
        "--allow-metrics=false",
    ]
    with ExitStack() as stack:
        log = stack.enter_context((root.parent / "server.log").open("ab"))
        environment = with_double({**os.environ}, "triton")
        process = subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        server = RunningServer(root, port, process)
        stack.callback(server.close)
        eventually(lambda: _ready(http), START_SECONDS, "tritonserver is ready")
        yield server


def _ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/v2/health/ready").status_code == 200
    except httpx.TransportError:
        return False


def repository(root: Path) -> Path:
    """A model repository as the service writes it."""
    write_repository(root, check_engine_dir(ENGINE), Settings())
    return root
