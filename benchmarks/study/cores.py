"""A core for the services of a study alone, so that its client takes none of their time."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil


def usable_cores() -> list[int]:
    """Returns those on which this process may run; empty where the system cannot say."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


@contextmanager
def core_left_free(wanted: bool) -> Iterator[int | None]:
    """Keeps this process, and what it starts meanwhile, away from one core, which it yields; None
    where that is not wanted, or there is only one."""
    cores = usable_cores()
    if not wanted or len(cores) < 2:
        yield None
        return
    os.sched_setaffinity(0, cores[1:])
    try:
        yield cores[0]
    finally:
        os.sched_setaffinity(0, cores)


def pin(root: int, core: int) -> None:
    """Moves every thread of the process `root` and of its descendants to the core; those that
    start later inherit it."""
    processes: list[psutil.Process] = []
    with suppress(psutil.Error):
        processes = [psutil.Process(root), *psutil.Process(root).children(recursive=True)]
    for process in processes:
        with suppress(psutil.Error, ProcessLookupError):
            for thread in process.threads():
                os.sched_setaffinity(thread.id, {core})
