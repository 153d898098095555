"""A small process that outlives its worker by seconds and ends whatever the worker left behind.

An engine's child processes survive a worker that is killed, and hold the GPU. The worker leads a
session of its own and marks its environment; descendants inherit both. When the worker is gone the
guard ends all processes of that session or with that mark: a descendant can leave the one with
setsid, and lose the other by changing its title.
"""

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from common.processes.descendants import is_alive
from common.processes.marks import new_mark
from common.processes.signals import stop_signals_blocked

MARK = "LLM_WORKER_MARK"
GRACE = 2.0
"""Seconds between SIGTERM and SIGKILL."""


def watch_this_process() -> None:
    """Marks this process and starts its guard, out of reach of a stop signal to our children."""
    os.environ[MARK] = new_mark()
    if os.getsid(0) != os.getpid():  # BentoML's supervisor has seen to it already
        os.setsid()
    with stop_signals_blocked():
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "common.processes.worker_guard",
                str(os.getpid()),
                os.environ[MARK],
            ],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )


def inherited(session: int, mark: str) -> Iterator[psutil.Process]:
    """Yields every other living process of `session` or with `mark`."""
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        with suppress(psutil.Error, OSError):
            ours = os.getsid(process.pid) == session or process.environ().get(MARK) == mark
            if ours and is_alive(process):
                yield process


def end_all(session: int, mark: str) -> None:
    """Asks, waits and kills until none is left; a process may start another one meanwhile."""
    while alive := list(inherited(session, mark)):
        alive = [process for process in alive if not is_resource_tracker(process)] or alive
        for process in alive:
            with suppress(psutil.Error):
                process.terminate()
        for process in psutil.wait_procs(alive, timeout=GRACE)[1]:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(alive, timeout=GRACE)


def is_resource_tracker(process: psutil.Process) -> bool:
    """Returns whether it is Python's own resource tracker.

    When the others are gone it removes their shared memory and ends by itself.
    """
    with suppress(psutil.Error):
        return any("multiprocessing.resource_tracker" in part for part in process.cmdline())
    return False


def wait_for_end(pid: int) -> None:
    """Returns when the process has ended, even while its parent has not reaped it."""
    if sys.platform == "linux":
        with suppress(ProcessLookupError):
            select.select([os.pidfd_open(pid)], [], [])
    else:
        with suppress(psutil.NoSuchProcess):
            psutil.Process(pid).wait()


def main(worker: int, mark: str) -> None:
    wait_for_end(worker)
    end_all(worker, mark)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
