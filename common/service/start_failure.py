"""A worker that cannot start ends the whole service, with one line and an exit code of 1.

BentoML's supervisor would start the worker again and again, and end with code 0 in any case.
"""

import atexit
import os
import signal
import sys
import tempfile
from pathlib import Path

VARIABLE = "LLM_START_FAILURE_FILE"


def exit_on_failure() -> None:
    """Called in the supervisor before workers start: it exits with 1 if one reports a failure."""
    handle, name = tempfile.mkstemp(prefix="llm-start-")
    os.close(handle)
    os.environ[VARIABLE] = name
    atexit.register(_exit_with_failure, Path(name), os.getpid())


def report(reason: str) -> None:
    """Called in a worker: print why it cannot start, and have the supervisor stop."""
    print(f"error: {reason}", file=sys.stderr, flush=True)
    name = os.environ.get(VARIABLE)
    if name is not None:
        Path(name).write_text(reason, "utf-8")
        os.kill(os.getppid(), signal.SIGTERM)


def _exit_with_failure(file: Path, supervisor: int) -> None:
    if os.getpid() != supervisor:
        return
    failed = file.exists() and file.stat().st_size > 0
    file.unlink(missing_ok=True)
    if failed:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1)
