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
from contextlib import suppress

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
PR_SET_PDEATHSIG = 1
"""From linux/prctl.h."""


def main(grace: float, argv: list[str]) -> int:
    """Run `argv` in a process group of its own; its exit status is ours. `grace` is in seconds."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
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
    exited, tell = os.pipe()
    threading.Thread(target=close_at_end, args=[server, tell], daemon=True).start()
    readable, _, _ = select.select([exited, sys.stdin], [], [])
    if exited not in readable:
        signal_group(server.pid, signal.SIGTERM)
        select.select([exited], [], [], grace)
    # Also after its own end: its children are in its group.
    signal_group(server.pid, signal.SIGKILL)
    return server.wait()


def prepare_server() -> None:
    """In the server's process: a blocked or ignored signal would stay so over exec; and if this
    process is killed, the server ends with it."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def close_at_end(server: subprocess.Popen[bytes], handle: int) -> None:
    server.wait()
    os.close(handle)


def signal_group(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)


if __name__ == "__main__":
    status = main(float(sys.argv[1]), sys.argv[2:])
    sys.exit(status if status >= 0 else 128 - status)
