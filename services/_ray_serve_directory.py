"""A directory for a Ray cluster of our own: its sockets, its logs, and what its driver tells us."""

import fcntl
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

PREFIX = "llm-ray-"
LOCK = "lock"


class Scratch:
    """Locked while this process lives, so that the next one knows it from what was left behind."""

    def __init__(self) -> None:
        remove_stale()
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX))
        self._lock = _locked(self.path / LOCK, "w")

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            self._lock.close()


def remove_stale() -> None:
    """Directories of processes that were killed."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            lock = _locked(path / LOCK, "r")
            if lock is not None:
                shutil.rmtree(path, ignore_errors=True)
                lock.close()


def _locked(file: Path, mode: str) -> IO[str] | None:
    """None when another process holds it."""
    lock: IO[str] = file.open(mode)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock
