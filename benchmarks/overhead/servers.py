"""Servers under measurement: started together, awaited with a deadline, pinned, ended."""

import http.client
import json
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.overhead.client import HOST

ROOT = Path(__file__).parents[2]
LOG_TAIL = 3000
STOP_TIMEOUT = 15.0
BENTOML_WORKER = "_bentoml_impl.worker.service"


class ServerFailed(Exception):
    """A server did not start, or refused a request; the message ends with its log."""


@dataclass(frozen=True)
class ServerSpec:
    """`command` is completed by --host and --port; `ready_path` answers 200 once it can serve."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    ready_path: str = "/readyz"
    deadline: float = 90.0


class Server:
    """One running server and its log."""

    def __init__(self, spec: ServerSpec, directory: Path) -> None:
        self.spec = spec
        self.port = _free_port()
        self._log = directory / "log"
        # Services that share BENTOML_HOME empty each other's metrics.
        own = {"BENTOML_HOME": str(directory), "BENTOML_DO_NOT_TRACK": "True"}
        with self._log.open("wb") as log:
            self._process = psutil.Popen(
                [*spec.command, "--host", HOST, "--port", str(self.port)],
                cwd=ROOT,
                env={**os.environ, **own, **spec.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_ready(self) -> None:
        """Raises ServerFailed when it ends or its deadline passes."""
        deadline = time.monotonic() + self.spec.deadline
        while not self._is_ready():
            if self._process.poll() is not None:
                raise self._failed(f"ended with {self._process.returncode}")
            if time.monotonic() > deadline:
                raise self._failed(f"was not ready within {self.spec.deadline:g} s")
            time.sleep(0.2)

    def ask(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """One request that does not stream. Raises ServerFailed."""
        headers = {"content-type": "application/json"}
        status, data = self._request("POST", path, json.dumps(body), headers)
        if status != 200:
            raise self._failed(f"answered {status} to {path}: {data[:500]!r}")
        answer: dict[str, Any] = json.loads(data)
        return answer

    def http_process(self) -> psutil.Process:
        """The process that serves HTTP: BentoML's worker, otherwise the one that was started."""
        for process in self._process.children(recursive=True):
            if BENTOML_WORKER in process.cmdline():
                return process
        return psutil.Process(self._process.pid)

    def pin(self, core: int) -> None:
        """Every thread of every process; those that start later inherit it."""
        for process in (self._process, *self._process.children(recursive=True)):
            for thread in process.threads():
                os.sched_setaffinity(thread.id, {core})

    def stop(self) -> None:
        if self._process.poll() is not None:
            return
        tree = [self._process, *self._process.children(recursive=True)]
        self._process.terminate()
        for process in psutil.wait_procs(tree, timeout=STOP_TIMEOUT)[1]:
            process.kill()
        self._process.wait()

    def _is_ready(self) -> bool:
        try:
            return self._request("GET", self.spec.ready_path)[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def _request(
        self, method: str, path: str, body: str | None = None, headers: Mapping[str, str] = {}
    ) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=60)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def _failed(self, what: str) -> ServerFailed:
        log = self._log.read_text(errors="replace")[-LOG_TAIL:]
        return ServerFailed(f"{self.spec.name} {what}\n{log}")


@contextmanager
def running(specs: Sequence[ServerSpec], core: int | None) -> Iterator[dict[str, Server]]:
    """All of them, ready, by name; pinned only then, since they start faster on all cores."""
    with ExitStack() as stack:
        servers: dict[str, Server] = {}
        for spec in specs:
            directory = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
            servers[spec.name] = server = Server(spec, Path(directory))
            stack.callback(server.stop)
        for server in servers.values():
            server.wait_ready()
            if core is not None:
                server.pin(core)
        yield servers


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
