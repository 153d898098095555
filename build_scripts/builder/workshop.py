"""Where a build happens: a directory on the store's own disk, locked, gone when the build fails."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from build_scripts.builder.address import Address
from build_scripts.builder.errors import BuildError

FOLDER = "llm-builds"
"""Beside the store, where no service and no BentoML command looks, and renaming is atomic."""


class Workshop:
    """`output` becomes the artifact; `scratch` is for what is needed on the way."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.output = root / "output"
        self.scratch = root / "scratch"


def log_file(store: Path, address: Address) -> Path:
    """It stays when a build fails."""
    folder = store.parent / FOLDER / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{address.name}-{address.version}.log"


@contextmanager
def workshop(store: Path, address: Address) -> Iterator[Workshop]:
    """Whatever an earlier build of the same left, killed as it was, is removed first.

    Raises BuildError when another process is at it.
    """
    folder = store.parent / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    root = folder / f"{address.name}-{address.version}"
    with (folder / f"{root.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BuildError(
                f"{address.tag} is being built by another process; wait for it"
            ) from None
        try:
            shutil.rmtree(root, ignore_errors=True)
            place = Workshop(root)
            place.output.mkdir(parents=True)
            place.scratch.mkdir()
            yield place
        finally:
            shutil.rmtree(root, ignore_errors=True)
            os.unlink(lock.name)


def check_space(store: Path, needed: int) -> None:
    """Raises BuildError unless the store's disk has room for `needed` bytes."""
    store.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(store).free
    if free < needed:
        raise BuildError(
            f"{store} has {free / 1e9:.1f} GB free and this build needs up to {needed / 1e9:.1f} "
            "GB; make room, or set BENTOML_HOME to another disk"
        )
