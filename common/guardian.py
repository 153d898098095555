"""A small process that outlives its worker by seconds and ends whatever the worker left behind.

An engine's child processes survive a worker that is killed, and hold the GPU. The worker marks
its environment, which every descendant inherits; when the worker is gone the guardian ends all
processes that carry the mark.
"""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from common.signals import stop_signals_blocked

MARK = "LLM_WORKER_MARK"
GRACE = 2.0
"""Seconds between SIGTERM and SIGKILL."""


def watch_this_process() -> None:
    """Mark this process and start its guardian, out of reach of a stop signal to our children."""
    os.environ[MARK] = uuid.uuid4().hex
    with stop_signals_blocked():
        subprocess.Popen(
            [sys.executable, "-m", "common.guardian", str(os.getpid()), os.environ[MARK]],
            cwd=Path(__file__).parent.parent,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )


def marked(mark: str) -> Iterator[psutil.Process]:
    """Every other process that inherited `mark`."""
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(MARK) == mark:
                yield process
        except psutil.Error:
            continue


def end_all(mark: str) -> None:
    """Ask, wait, kill, until none is left; a process may start another one meanwhile."""
    while left := list(marked(mark)):
        for process in left:
            process.terminate()
        for process in psutil.wait_procs(left, timeout=GRACE)[1]:
            process.kill()
        psutil.wait_procs(left, timeout=GRACE)


def main(worker: int, mark: str) -> None:
    with suppress(psutil.NoSuchProcess):
        psutil.Process(worker).wait()
    end_all(mark)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
