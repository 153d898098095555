"""A fresh environment with what a bento requires, and nothing else."""

import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.utils import canonicalize_name

from tests.service_process import REPOSITORY

NOT_ON_PYPI = "torch"
"""Its CPU build: on PyPI the same version is for CUDA."""


def environment_of(backend: str, bento: Path, folder: Path) -> Path:
    """The interpreter of one that is made in `folder` for a built bento."""
    requirements = bento / "env" / "python" / "requirements.txt"
    if backend == "echo":
        return installed(requirements, folder / backend)
    own = REPOSITORY / f".venv-{backend}"
    source = own if own.exists() else Path(sys.executable).parents[1]
    return linked(requirements, folder / backend, source.resolve())


def installed(requirements: Path, target: Path) -> Path:
    """The interpreter of an environment into which pip has installed them, from the index."""
    _empty(target)
    pip = [sys.executable, "-m", "pip", "--python", str(_python(target)), "install", "--quiet"]
    options = ["--disable-pip-version-check", "--no-deps", "--no-compile"]
    subprocess.run([*pip, *options, "-r", requirements], check=True)
    return _python(target)


def linked(requirements: Path, target: Path, source: Path) -> Path:
    """The same from the files of an environment that has these versions, and others besides.

    It takes no download, where that would be gigabytes. What is missing there is an error.
    """
    _empty(target)
    (there,) = source.glob("lib/python3*/site-packages")
    (packages,) = target.glob("lib/python3*/site-packages")
    found = {
        canonicalize_name(each.metadata["Name"]): each for each in distributions(path=[str(there)])
    }
    for line in requirements.read_text("utf-8").splitlines():
        if line and line[0] not in "#-":
            name, version = line.split("==")
            distribution = found[canonicalize_name(name)]
            has = distribution.version
            assert has == version or (name == NOT_ON_PYPI and has == f"{version}+cpu"), line
            _link(distribution, there, packages, target)
    return _python(target)


def _empty(target: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", target], check=True)


def _python(target: Path) -> Path:
    return target / "bin" / "python"


def _link(distribution: Distribution, there: Path, packages: Path, target: Path) -> None:
    for file in distribution.files or []:
        path = there / file
        if not path.is_file() or path.suffix == ".pyc":
            continue
        if ".." in file.parts:
            _copy_script(path.resolve(), target)
            continue
        place = packages / file
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.exists():
            continue
        try:
            os.link(path.resolve(), place)
        except OSError:
            shutil.copy2(path, place)


def _copy_script(path: Path, target: Path) -> None:
    """With the new interpreter in its first line."""
    if path.parent.name != "bin":
        return
    place = target / "bin" / path.name
    shutil.copy2(path, place)
    content = place.read_bytes()
    if content.startswith(b"#!"):
        place.write_bytes(re.sub(rb"\A#!.*", f"#!{_python(target)}".encode(), content))
