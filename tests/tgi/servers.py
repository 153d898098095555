"""The double of TGI by itself, as a server that runs elsewhere."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from common.models.model import DEMO_MODEL
from common.processes.ports import free_ports
from tests.limits import DEADLINE
from tests.service_process import REPOSITORY, eventually

LAUNCHER = REPOSITORY / "tests" / "doubles" / "tgi" / "bin" / "text-generation-launcher"


@dataclass
class Server:
    """`process` is the launcher."""

    process: subprocess.Popen[bytes]
    url: str
    flags: list[str]
    environment: dict[str, str]

    def start(self) -> None:
        """Return when it is healthy."""
        self.process = subprocess.Popen(
            [LAUNCHER, *self.flags], env=self.environment, stdout=subprocess.DEVNULL
        )
        eventually(self._healthy, DEADLINE, "TGI is healthy")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(DEADLINE)

    def _healthy(self) -> bool:
        assert self.process.poll() is None, "TGI has ended"
        try:
            return httpx.get(f"{self.url}/health").status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def server(
    folder: Path, *flags: object, model: Path = DEMO_MODEL, **double: object
) -> Iterator[Server]:
    """`double` are its variables: die_after=5 is DOUBLE_DIE_AFTER."""
    (port,) = free_ports(1)
    fixed = ["--model-id", model, "--hostname", "127.0.0.1", "--port", port]
    files = ["--shard-uds-path", folder / "shard", "--graceful-termination-timeout", 1]
    variables = {f"DOUBLE_{name.upper()}": str(value) for name, value in double.items()}
    started = Server(
        subprocess.Popen(["true"]),
        f"http://127.0.0.1:{port}",
        [str(flag) for flag in (*fixed, *files, *flags)],
        {**os.environ, **variables},
    )
    started.process.wait()
    started.start()
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.stop()


def family(launcher: psutil.Process) -> list[psutil.Process]:
    """The launcher, its shard and its router, in this order."""
    children = launcher.children()
    router = next(
        process for process in children if "tgi_double.router" in " ".join(process.cmdline())
    )
    shard = next(process for process in children if process != router)
    return [launcher, shard, router]


def parts(**values: Any) -> dict[str, Any]:
    return {"details": True, "max_new_tokens": 5, **values}
