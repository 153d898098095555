"""A fresh environment with what a bento requires, and nothing else."""

import csv
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distributions
from itertools import accumulate
from pathlib import Path

from packaging.utils import canonicalize_name

from tests.service_process import REPOSITORY

NOT_ON_PYPI = "torch"
"""Its CPU build: on PyPI the same version is for CUDA."""


def environment_of(backend: str, bento: Path, target: Path) -> Path:
    """Returns the interpreter of one that is made in `target` for a built bento.

    It has links to the packages of the backend's own environment, into which scripts/setup has
    installed these versions, and others besides, from the index: no gigabytes are downloaded again
    or copied. What is missing there is an error.
    """
    own = REPOSITORY / f".venv-{backend}"
    source = own if own.exists() else Path(sys.executable).parents[1]
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", target], check=True)
    (there,) = source.resolve().glob("lib/python3*/site-packages")
    (packages,) = target.glob("lib/python3*/site-packages")
    found = {
        canonicalize_name(each.metadata["Name"]): each for each in distributions(path=[str(there)])
    }
    files = {name: list(_files(each)) for name, each in found.items()}
    owners = Counter(folder for names in files.values() for folder in _with_folders(names))
    requirements = bento / "env" / "python" / "requirements.txt"
    for line in requirements.read_text("utf-8").splitlines():
        if line and line[0] not in "#-":
            name, version = line.split("==")
            distribution = found[canonicalize_name(name)]
            has = distribution.version
            assert has == version or (name == NOT_ON_PYPI and has == f"{version}+cpu"), line
            names = files[canonicalize_name(name)]
            _link({_own_folder(name, owners) for name in names}, there, packages)
            _copy_scripts(names, there, target)
    return _python(target)


def _python(target: Path) -> Path:
    return target / "bin" / "python"


def _files(distribution: Distribution) -> Iterator[str]:
    """Yields what it has installed, relative to site-packages."""
    for name, *_ in csv.reader((distribution.read_text("RECORD") or "").splitlines()):
        yield name


def _with_folders(names: Iterable[str]) -> set[str]:
    """Returns the names and those of all folders in which they lie."""
    return {folder for name in names for folder in _folders(name)}


def _folders(name: str) -> Iterator[str]:
    """Yields `a`, `a/b` and `a/b/c` for the file a/b/c."""
    return accumulate(name.split("/"), "{}/{}".format)


def _own_folder(name: str, owners: Counter[str]) -> str:
    """Returns the widest folder of a file, else the file, in which no other distribution has one:
    it is linked as a whole, for a file each would take a minute."""
    return next((folder for folder in _folders(name) if owners[folder] == 1), name)


def _link(names: Iterable[str], there: Path, packages: Path) -> None:
    for name in names:
        if not name.startswith("../") and (there / name).exists():
            place = packages / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(there / name)


def _copy_scripts(names: Iterable[str], there: Path, target: Path) -> None:
    """With the new interpreter in their first line."""
    for name in names:
        path = there / name
        if name.startswith("../") and path.parent.name == "bin" and path.is_file():
            place = target / "bin" / path.name
            shutil.copy2(path, place)
            content = place.read_bytes()
            if content.startswith(b"#!"):
                place.write_bytes(re.sub(rb"\A#!.*", f"#!{_python(target)}".encode(), content))
