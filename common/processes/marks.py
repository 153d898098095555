"""Marks in the environment, by which a process and all its descendants are found again.

A descendant inherits its parent's environment, whatever process group or session it goes to.
"""

import time
import uuid
from collections.abc import Iterator
from contextlib import suppress

import psutil

from common.processes.descendants import is_alive


def new_mark() -> str:
    """Returns a value that no other process has in its environment."""
    return uuid.uuid4().hex


def marked_processes(variable: str, mark: str) -> Iterator[psutil.Process]:
    """Yields every living process whose environment holds `variable` with the value `mark`."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get(variable) == mark and is_alive(process):
                yield process


def kill_marked(variable: str, mark: str, timeout: float) -> list[psutil.Process]:
    """Kills the marked processes and those that they start meanwhile.

    Returns the ones that still live after `timeout` seconds: a driver may hold a process. Blocks.
    """
    deadline = time.monotonic() + timeout
    while alive := list(marked_processes(variable, mark)):
        if time.monotonic() > deadline:
            return alive
        for process in alive:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(alive, timeout=1.0)
    return []
