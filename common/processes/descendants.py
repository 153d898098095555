"""The processes that an engine starts from within this one: found, killed and waited for."""

import contextlib
import time
from collections.abc import Iterable
from multiprocessing import resource_tracker

import psutil

POLL_INTERVAL = 0.02
"""Seconds."""


class Children:
    """Every descendant that this process has got since this object was made.

    Make it before the engine starts any: the service has processes of its own, such as its
    guard, which have to stay.
    """

    def __init__(self) -> None:
        # Otherwise started by the first spawn, which would unblock the signals blocked for it.
        resource_tracker.ensure_running()
        self._not_ours = descendants()
        self._seen: frozenset[psutil.Process] = frozenset()

    def now(self) -> frozenset[psutil.Process]:
        """Returns those that run now; `kill` finds them even when their parents have ended."""
        current = descendants() - self._not_ours
        self._seen |= current
        return current

    def kill(self) -> None:
        self.now()
        kill(self._seen)

    def wait_until_gone(self, deadline: float) -> None:
        """Returns when none is left, or at `deadline` by time.monotonic. Blocks."""
        while any(map(is_alive, self._seen)) and time.monotonic() < deadline:
            time.sleep(POLL_INTERVAL)


def descendants() -> frozenset[psutil.Process]:
    return frozenset(psutil.Process().children(recursive=True))


def kill(processes: Iterable[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def is_alive(process: psutil.Process) -> bool:
    """Returns whether the process runs; a zombie does not, whose parent may be slow to reap it."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
