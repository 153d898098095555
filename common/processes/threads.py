"""Threads that are there before they are needed."""

import threading
from concurrent.futures import ThreadPoolExecutor


def start_threads(executor: ThreadPoolExecutor, count: int) -> None:
    """Starts all threads of an executor, which has `count` and has not been used.

    Where no memory is left for a new thread, CPython's Thread.start() waits for ever.
    """
    all_run = threading.Barrier(count + 1)
    for _ in range(count):
        executor.submit(all_run.wait)
    all_run.wait()
