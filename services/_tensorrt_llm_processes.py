"""The processes that TensorRT-LLM starts: one per GPU, and whatever MPI starts them with."""

import contextlib
import time
from collections.abc import Iterable

import psutil

RANK = "mpi4py.futures"
"""In the command line of a process that runs the model."""


def descendants() -> frozenset[psutil.Process]:
    return frozenset(psutil.Process().children(recursive=True))


def ranks(processes: Iterable[psutil.Process]) -> frozenset[psutil.Process]:
    """Those without which nothing is generated."""
    return frozenset(process for process in processes if _is_rank(process))


def _is_rank(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return any(RANK in part for part in process.cmdline())
    return False


def alive(process: psutil.Process) -> bool:
    """A zombie is not: its parent may be slow to reap it."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def kill(processes: Iterable[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def wait_until_gone(processes: Iterable[psutil.Process], deadline: float) -> None:
    """Until then, by time.monotonic."""
    while any(map(alive, processes)) and time.monotonic() < deadline:
        time.sleep(0.02)
