"""A worker that cannot go on ends the whole service, with one line and an exit code of 1.

BentoML's supervisor would start the worker again and again, and end with code 0 in any case.
"""

import atexit
import errno
import os
import signal
import sys
import tempfile
from pathlib import Path
from types import TracebackType

from common.errors import StartError

VARIABLE = "LLM_START_FAILURE_FILE"


def exit_on_failure() -> None:
    """Called in the supervisor before workers start: it exits with 1 if one reports a failure."""
    handle, name = tempfile.mkstemp(prefix="llm-start-")
    os.close(handle)
    os.environ[VARIABLE] = name
    atexit.register(_exit_with_failure, Path(name), os.getpid())
    sys.excepthook = _tell_taken_address


def loading() -> None:
    """Called in a worker before it loads. Raises StartError where the one before it never ended
    that, which only a kill can do: its successors would be killed, too."""
    mark = _loading_mark()
    if mark is None:
        return
    if mark.exists():
        raise StartError(
            "the process that loaded the model was killed, most likely because the machine or its "
            "container has no memory left (dmesg says so): take a smaller model, a quantized one, "
            "or more memory"
        )
    mark.touch()


def loaded() -> None:
    """Called in a worker when it has loaded, or will not."""
    mark = _loading_mark()
    if mark is not None:
        mark.unlink(missing_ok=True)


def _loading_mark() -> Path | None:
    """Returns the file that exists while a worker loads, None without a supervisor."""
    name = os.environ.get(VARIABLE)
    return None if name is None else Path(f"{name}.loading")


def _tell_taken_address(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Print one line where BentoML cannot listen, instead of its traceback."""
    if isinstance(error, OSError) and error.errno in (errno.EADDRINUSE, errno.EADDRNOTAVAIL):
        reason = os.strerror(error.errno).lower()
        print(f"error: cannot listen: {reason}; set --port or --host", file=sys.stderr, flush=True)
    else:
        sys.__excepthook__(kind, error, trace)


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
    Path(f"{file}.loading").unlink(missing_ok=True)
    if failed:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1)
