"""What SGLang does to the process it runs in."""

import ctypes
import logging
import os
import signal
import sys

import psutil

from ..server_args import ServerArgs

PR_SET_PDEATHSIG = 1


def kill_process_tree(
    parent_pid: int | None,
    include_parent: bool = True,
    skip_pid: int | None = None,
    wait_timeout: float | None = 60,
) -> None:
    """Every descendant, whoever started it."""
    if parent_pid is None:
        parent_pid, include_parent = os.getpid(), False
    parent = psutil.Process(parent_pid)
    killed = [child for child in parent.children(recursive=True) if child.pid != skip_pid]
    for child in killed:
        child.kill()
    if include_parent:
        parent.kill()
    if wait_timeout is not None and psutil.wait_procs(killed, wait_timeout)[1]:
        raise RuntimeError("some processes did not end")


def configure_logger(server_args: ServerArgs) -> None:
    """Takes the root logger for itself."""
    level = getattr(logging, server_args.log_level.upper())
    logging.basicConfig(level=level, format="[%(asctime)s] %(message)s", force=True)


def kill_itself_when_parent_died() -> None:
    """The parent is the thread that started this process."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
