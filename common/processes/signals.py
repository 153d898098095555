"""Stop signals: kept away from child processes, and sent when our parent dies."""

import ctypes
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
PR_SET_PDEATHSIG = 1
"""From linux/prctl.h."""


@contextmanager
def stop_signals_blocked() -> Iterator[None]:
    """Processes started by this thread inside the block never react to SIGTERM and SIGINT.

    BentoML's supervisor signals a worker's children at once, and a terminal its whole group,
    while their worker still drains. The mask is inherited over fork and exec; SIGKILL remains.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def terminate_with_parent() -> None:
    """Has the kernel send us SIGTERM when the parent process dies; on Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
