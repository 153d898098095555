"""How a process has ended, in words for the log."""

import os
import signal
from contextlib import suppress
from pathlib import Path


def exit_words(code: int) -> str:
    """Returns `exit code 3`, or `signal SIGKILL` for -9, as subprocess has signals."""
    if code >= 0:
        return f"exit code {code}"
    with suppress(ValueError):
        return f"signal {signal.Signals(-code).name}"
    return f"signal {-code}"


def exit_of(pid: int) -> str:
    """Returns `: ` and how a process ended whose parent has not taken note of it yet, else "".

    Linux only: it is the last field of /proc/PID/stat (man 5 proc).
    """
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        if fields[0] == "Z":
            return f": {exit_words(os.waitstatus_to_exitcode(int(fields[-1])))}"
    return ""
