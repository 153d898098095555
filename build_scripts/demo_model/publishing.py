"""Puts a finished model directory in place of the old one, all or nothing."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replaced_directory(target: Path) -> Iterator[Path]:
    """Yields an empty directory beside `target` that takes its place if the block succeeds.

    The old content of `target` stays as it was if the block raises or the process ends.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    fresh = scratch / "new"
    fresh.mkdir()
    try:
        yield fresh
        if target.exists():
            target.rename(scratch / "old")
        fresh.rename(target)
    finally:
        shutil.rmtree(scratch)
