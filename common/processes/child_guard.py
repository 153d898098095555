"""Stands between a worker and its child server, and ends the server when the worker is gone.

BentoML's supervisor signals a worker's direct children while the worker still drains: they reach
this process, which does not hear them, and not the server. The end of our standard input is the
order to stop; it also comes when the worker is killed.

Uses the standard library only, so that it starts at once.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
"""From linux/prctl.h."""
KILL_TIMEOUT = 5.0
"""Seconds in which a killed process is gone, unless a driver holds it."""
UNKILLABLE = 251
"""Our exit status when it is not: the process, and the memory it has, are still there."""


def main(grace: float, argv: list[str]) -> int:
    """Runs `argv` in a process group of its own and returns its exit status.

    `grace` is how many seconds it has between SIGTERM and SIGKILL.
    """
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    adopt_orphans()
    try:
        server = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            process_group=0,
            preexec_fn=prepare_server,
        )
    except OSError as error:
        print(f"{argv[0]} cannot be run: {error.strerror}", flush=True)  # noqa: T201
        return 127
    exited, exit_pipe = os.pipe()
    reaper = threading.Thread(target=reap, args=[server, exit_pipe], daemon=True)
    reaper.start()
    readable, _, _ = select.select([exited, sys.stdin], [], [])
    if exited not in readable:
        signal_group(server.pid, signal.SIGTERM)
        select.select([exited], [], [], grace)
    # Also after its own end: what it started may be left.
    signal_group(server.pid, signal.SIGKILL)
    end_orphans(reaper)
    if reaper.is_alive():
        left = " ".join(map(str, children()))
        print(f"killed and not gone: process {left}", flush=True)  # noqa: T201
        return UNKILLABLE
    return int(server.returncode or 0)


def adopt_orphans() -> None:
    """Makes the server's descendants ours when their parent dies, whatever group or session they
    are in; on Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def prepare_server() -> None:
    """Runs in the server's process: a blocked or ignored signal would stay so over exec; and if
    the guard is killed, the server ends with it."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def reap(server: subprocess.Popen[bytes], exit_pipe: int) -> None:
    """Waits for the server and for adopted orphans, until there are none."""
    with suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, 0)
            if pid == server.pid:
                server.returncode = os.waitstatus_to_exitcode(status)
                os.close(exit_pipe)


def end_orphans(reaper: threading.Thread) -> None:
    """Kills what the server left: children of a killed one become ours and are next."""
    deadline = time.monotonic() + KILL_TIMEOUT
    while reaper.is_alive() and time.monotonic() < deadline:
        for pid in children():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        reaper.join(0.02)


def children() -> Iterator[int]:
    """Yields the ids of our living children from proc(5), none without that file system."""
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # The name in parentheses may hold anything.
            state, parent = file.read_text("utf-8", "replace").rpartition(")")[2].split()[:2]
            if int(parent) == os.getpid() and state != "Z":
                yield int(file.parent.name)


def signal_group(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)


if __name__ == "__main__":
    status = main(float(sys.argv[1]), sys.argv[2:])
    sys.exit(status if status >= 0 else 128 - status)
