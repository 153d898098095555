"""The service that is attacked: started as a user starts it, and anew when it has ended."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from benchmarks.machine_metrics.processes import roles
from tests.limits import DEADLINE
from tests.processes.test_stop import alive, family
from tests.service_process import Service, eventually, free_port, start_service

DISK = "512m"
"""Size of the file systems that are filled: more than an engine's compiler writes."""
START_SECONDS = 900.0
"""Of a start that compiles kernels, while users ask already."""
SHARED_MEMORY = "/dev/shm/"
OWN = "service-"
"""How the names of the folders begin that have logs and BentoML's files."""
TORCH_CACHE = "torchinductor_"
"""Begins the name of the directory, one of each user, where PyTorch keeps what it compiled."""


class Target:
    """A service with its files on file systems of its own, where this user may make some.

    `ground` has its temporary files, `home` is its home directory.
    """

    def __init__(self, backend: str, settings: Mapping[str, Any]) -> None:
        self.backend = backend
        self.folder = Path(tempfile.mkdtemp(prefix=f"chaos-{backend}-"))
        self.ground, self.home = self.folder / "ground", self.folder / "home"
        self.mounted = [place for place in (self.ground, self.home) if mount(place)]
        self._settings = {
            **settings,
            "tmpdir": self.ground,
            "home": self.home,
            "batch_dir": self.folder / "batches",
            "exit_when_dead": True,
        }
        self._seen: dict[psutil.Process, None] = {}
        self._shared: set[str] = set()
        self._starts = 0
        self.port = free_port()
        try:
            self.service = self._start({})
        except AssertionError:
            self._remove()
            raise

    def _start(self, variables: Mapping[str, Any]) -> Service:
        self._starts += 1
        folder = self.ground / f"{OWN}{self._starts}"
        folder.mkdir()
        started = start_service(
            self.backend,
            wait=False,
            folder=folder,
            port=self.port,
            **self._settings,
            **variables,
        )
        started.wait_ready(START_SECONDS)
        return started

    def restart(self, variables: Mapping[str, Any] | None = None) -> None:
        """Starts the service anew with further variables of the environment."""
        self.look()
        self.service.stop()
        self.service = self._start(variables or {})

    @property
    def ended(self) -> bool:
        return self.service.process.poll() is not None

    def worker(self) -> psutil.Process | None:
        """Returns the process that serves, None while there is none."""
        with suppress(StopIteration, psutil.Error):
            return self.service.worker()
        return None

    def engine_processes(self) -> dict[str, psutil.Process]:
        """Returns the processes that the worker has started for its engine, one of each name: the
        one with the most memory."""
        found = family(self.service)
        engine = [each for each, role in roles(found).items() if role == "engine"]
        by_size = sorted(engine, key=lambda each: each.memory_info().rss)
        return {each.name(): each for each in by_size}

    def memory(self) -> int:
        """Returns the bytes in memory of all its processes."""
        return sum(each.memory_info().rss for each in family(self.service))

    def look(self) -> None:
        """Notes its processes and their shared memory, to look for them when it has ended."""
        with suppress(psutil.Error):
            for process in family(self.service):
                self._seen[process] = None
                with suppress(psutil.Error, OSError):
                    paths = {each.path for each in process.memory_maps()}
                    self._shared |= {path for path in paths if path.startswith(SHARED_MEMORY)}

    def stop(self) -> list[str]:
        """Ends the service and returns what is left of it, as sentences."""
        self.look()
        self.service.stop()
        left = leftovers(self._seen, self._shared, self.ground)
        if any(each.laddr and each.laddr[1] == self.port for each in listening()):
            left.append(f"port {self.port} is open")
        self._remove()
        return left

    def _remove(self) -> None:
        for place in self.mounted:
            subprocess.run(["umount", "--lazy", str(place)], check=True)
        shutil.rmtree(self.folder, ignore_errors=True)


def listening() -> Sequence[Any]:
    """Returns the sockets of this machine that listen."""
    return [each for each in psutil.net_connections("tcp") if each.status == "LISTEN"]


def leftovers(seen: Mapping[psutil.Process, None], shared: set[str], ground: Path) -> list[str]:
    """Returns sentences of what is left of processes that have ended."""
    with suppress(AssertionError):
        eventually(lambda: not any(map(alive, seen)), DEADLINE, "its processes are gone")
    left = [f"process {each.pid} is left" for each in seen if alive(each)]
    left += [f"{path} is left" for path in sorted(shared) if os.path.exists(path)]
    # BentoML's client leaves a directory without files where its process is killed.
    files = [path for path in ground.glob(f"[!{OWN[0]}]*/**/*") if path.is_file()]
    compiled = [*ground.glob(f"{TORCH_CACHE}*/**/*")]
    return left + [f"{path} is left" for path in files if path not in compiled]


def mount(place: Path) -> bool:
    """Makes a small file system at `place`; returns whether this user may."""
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "chaos", str(place)]
    return subprocess.run(command, capture_output=True).returncode == 0
