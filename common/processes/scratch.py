"""A temporary directory that the next start removes when this process was killed."""

import fcntl
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

LOCK = "lock"


class Scratch:
    """Locked while this process lives, so that the next one knows it from what was left behind.

    `prefix` begins its name; the next process of the same prefix removes it.
    """

    def __init__(self, prefix: str) -> None:
        remove_stale(prefix)
        self.path = Path(tempfile.mkdtemp(prefix=prefix))
        # Others see the lock only when it is held.
        unseen = self.path / f"{LOCK}.new"
        self._lock = _locked(unseen, "w")
        unseen.rename(self.path / LOCK)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            self._lock.close()


def remove_stale(prefix: str) -> None:
    """Directories of processes that were killed."""
    for path in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
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
