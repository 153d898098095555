"""The directory in which a build works: on the store's own disk, locked, gone when it fails."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from build_scripts.builder.address import Address
from build_scripts.builder.errors import BuildError

FOLDER = "llm-builds"
"""The folder beside the store: no service and no BentoML command looks there, and renaming is
atomic."""


class Workspace:
    """`output` becomes the artifact; `scratch` is for what is needed on the way."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.output = root / "output"
        self.scratch = root / "scratch"


def log_file(store: Path, address: Address) -> Path:
    """Returns the log's path; the log stays when a build fails."""
    folder = store.parent / FOLDER / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{address.name}-{address.version}.log"


@contextmanager
def workspace(store: Path, address: Address) -> Iterator[Workspace]:
    """Yields empty directories. What an earlier build left that was killed is removed first.

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
            space = Workspace(root)
            space.output.mkdir(parents=True)
            space.scratch.mkdir()
            yield space
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
