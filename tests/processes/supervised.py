"""Servers for the tests of the supervisor: small, real processes."""

import asyncio
import contextlib
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from common.errors import NotReady
from common.processes.restarts import Restarts
from common.processes.server import ROOT, ChildServer, Command

SLEEP = "import time; time.sleep(60)"
SERVER = f"""
import os, subprocess, sys
from pathlib import Path
folder = Path(sys.argv[1])
print("loading weights", flush=True)
child = subprocess.Popen([sys.executable, "-S", "-c", "{SLEEP}"], process_group=0)
(folder / "pids.part").write_text(f"{{os.getpid()}} {{child.pid}}")
(folder / "pids.part").rename(folder / "pids")
print("serving", flush=True)
{SLEEP}
"""
"""Its child is in a process group of its own, as the shards of an engine may be."""


POWERLESS = f"""
import os, sys
sys.path.insert(0, {str(ROOT)!r})
from common.processes import child_guard
child_guard.KILL_TIMEOUT = 0.2
os.kill = os.killpg = lambda *_: None
sys.exit(child_guard.main(float(sys.argv[1]), sys.argv[2:]))
"""


def powerless_guard(folder: Path) -> Path:
    """A guard whose signals have no effect, as on a process that a driver holds."""
    file = folder / "powerless.py"
    file.write_text(POWERLESS, "utf-8")
    return file


@dataclass
class Supervised:
    """A ChildServer of `code`, which gets `folder` as its argument; `starts` counts."""

    folder: Path
    code: str = SERVER
    start_timeout: float = 30
    grace: float = 1
    restarts: Restarts = field(default_factory=lambda: Restarts(first_wait=0.05))
    ready: Callable[[], Awaitable[bool]] | None = None
    starts: int = 0

    def __post_init__(self) -> None:
        self.server = ChildServer(
            "Engine",
            self.command,
            self.ready or self.is_ready,
            start_timeout=self.start_timeout,
            grace=self.grace,
            restarts=self.restarts,
        )

    def command(self) -> Command:
        self.starts += 1
        self.pids_file.unlink(missing_ok=True)
        argv = [sys.executable, "-S", "-c", self.code, str(self.folder)]
        return Command(argv, {"PATH": "/usr/bin:/bin"}, self.folder)

    @property
    def pids_file(self) -> Path:
        return self.folder / "pids"

    async def is_ready(self) -> bool:
        return self.pids_file.exists()

    def processes(self) -> list[psutil.Process]:
        """The server and its child."""
        return [psutil.Process(int(pid)) for pid in self.pids_file.read_text().split()]

    def guard(self) -> psutil.Process:
        guard = self.processes()[0].parent()
        assert guard is not None
        return guard


def gone(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


FAILS = "print('loading'); print('no memory left'); raise SystemExit(3)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{SERVER}"
ONCE = f"""
import sys
from pathlib import Path
times = Path(sys.argv[1], "times")
with times.open("a") as file: file.write("x")
if len(times.read_text()) in (2, 3): raise SystemExit("out of memory")
{SERVER}
"""
"""Starts, then fails to start twice, then starts again."""


Make = Callable[..., Supervised]


async def until(check: Callable[[], bool], what: str, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        await asyncio.sleep(0.01)


async def back(supervised: Supervised, starts: int) -> None:
    """Wait for the server's start number `starts` to have worked."""
    await until(lambda: supervised.starts >= starts, "started again")
    await until(lambda: not_failing(supervised.server), "serves again")


def not_failing(server: ChildServer) -> bool:
    try:
        server.check()
    except NotReady:
        return False
    return True


def is_of(process: psutil.Process, code: str) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return code in process.cmdline()
    return False
