"""Pins the requirements of a bento: from a tested environment, or as PyPI resolves them."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from build_scripts.bentos.table import ROOT, Bento, project
from build_scripts.builder.errors import BuildError

INDEX, PROJECT, BASE = "index", "project", "base"
PLATFORM = "x86_64-manylinux_2_34"
LEFT_OUT = {"torchaudio", "torchcodec", "torchvision"}
"""vLLM's CPU build names them and uses none; their PyPI builds are for CUDA (scripts/setup)."""
OURS = "bentoml"


def locked(bento: Bento) -> str:
    """Returns the text of requirements.txt. Raises BuildError where it cannot be made here."""
    lock = bento.packaging.lock
    lines = _resolved(bento) if lock == INDEX else sorted(_installed(bento))
    return "".join(f"{line}\n" for line in [*_head(bento), *lines])


def disagreements(bento: Bento, text: str) -> list[str]:
    """Returns a line for each part of `text` that the project, extra or lock contradicts."""
    pins = {canonicalize_name(line.name): line for line in _parsed(text)}
    lines = [f"{OURS} is added by `bentoml build`"] if OURS in pins else []
    limits = [limit for limit in map(Requirement, bento.packaging.limits) if limit.name in pins]
    for required in (*map(Requirement, bento.requirements), *limits):
        pin = pins.get(canonicalize_name(required.name))
        version = _version(pin) if pin is not None else None
        if pin is None:
            lines.append(f"{required} is missing")
        elif version is None and bento.packaging.lock != PROJECT:
            lines.append(f"{pin} is not pinned")
        elif version is not None and not required.specifier.contains(version, prereleases=True):
            lines.append(f"{pin} is not {required}")
    tested = {} if bento.packaging.lock == INDEX else lock_versions(_lock_name(bento))
    for name, pin in pins.items():
        if name in tested and tested[name] != _version(pin):
            lines.append(f"{pin} was tested as {tested[name]}")
    return lines


def lock_versions(lock: str) -> dict[str, str]:
    """Returns the versions in scripts/locks by normalized name."""
    text = (ROOT / "scripts" / "locks" / f"{lock}.txt").read_text("utf-8")
    return {canonicalize_name(line.name): _version(line) or "" for line in _parsed(text)}


def _parsed(text: str) -> list[Requirement]:
    lines = (line.strip(" \\") for line in text.splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-"))]


def _version(requirement: Requirement) -> str | None:
    """Returns the version that it is pinned to, None where it is not."""
    (first, *more) = [*requirement.specifier] or [None]
    return first.version if first and not more and first.operator == "==" else None


def _lock_name(bento: Bento) -> str:
    return BASE if bento.packaging.lock == PROJECT else bento.packaging.lock


def _head(bento: Bento) -> Iterator[str]:
    lock, python, title = bento.packaging.lock, bento.packaging.python, bento.engine.title
    yield "# Made by python -m build_scripts.bentos --lock; bentoml build adds bentoml itself."
    if lock == INDEX:
        yield f"# As PyPI resolves them for Python {python} on Linux. Not run yet, without a GPU."
    elif lock == PROJECT:
        yield f"# As tested (scripts/locks/base.txt), but for {title}: it is not on PyPI, and a"
        yield "# nightly build, of which no single one lasts. What it needs is not known here."
        yield from bento.extra
    else:
        yield f"# As tested (scripts/locks/{lock}.txt)."
    if bento.packaging.in_image:
        yield f"# {title} stands in the image."


def _resolved(bento: Bento) -> list[str]:
    """Returns pins with our direct requirements as tested, where the engine's allow it."""
    own = project()["dependencies"]
    tested = lock_versions(BASE)
    names = (canonicalize_name(Requirement(line).name) for line in own)
    limits = bento.packaging.limits
    reason = ""
    for more in ([f"{name}=={tested[name]}" for name in names], []):
        required = [f"{OURS}=={tested[OURS]}", *bento.requirements]
        done = _compile(required, [*limits, *more], bento.packaging.python)
        if done.returncode == 0:
            return [line for line in done.stdout.splitlines() if not line.startswith(f"{OURS}==")]
        reason = " ".join(done.stderr.split())
    raise BuildError(f"the requirements of {bento.name} cannot be resolved: {reason}")


def _compile(
    required: list[str], limits: list[str], python: str
) -> subprocess.CompletedProcess[str]:
    beside = Path(sys.executable).parent
    uv = shutil.which("uv", path=f"{beside}{os.pathsep}{os.environ.get('PATH', '')}")
    if uv is None:
        raise BuildError("uv is not installed, which resolves requirements: pip install uv")
    command = [uv, "pip", "compile", "-", "--quiet", "--no-annotate"]
    options = ["--no-header", "--python-version", python, "--python-platform", PLATFORM]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
        constraints.write("\n".join(limits))
        constraints.flush()
        return subprocess.run(
            [*command, *options, "--constraints", constraints.name],
            input="\n".join(required),
            capture_output=True,
            text=True,
        )


def _installed(bento: Bento) -> Iterator[str]:
    """Yields everything that the requirements lead to, at the versions of the environment."""
    lock = _lock_name(bento)
    installed = {canonicalize_name(each.metadata["Name"]): each for each in _distributions(lock)}
    roots = project()["dependencies"] if lock != bento.packaging.lock else bento.requirements
    for name in _reachable(installed, [*roots, f"{OURS}=="], bento.packaging.python):
        version = Version(installed[name].version)
        # The tested build is for CPUs; the same release for CUDA is PyPI's own.
        pin = version if bento.variant else version.public
        if name != OURS:
            yield f"{name}=={pin}"


def _distributions(lock: str) -> Iterable[Distribution]:
    """Returns those of the lock's environment; the running one is the base."""
    if lock == BASE:
        return distributions()
    folders = sorted((ROOT / f".venv-{lock}").glob("lib/python3*/site-packages"))
    if not folders:
        raise BuildError(f".venv-{lock} is missing; make it with scripts/setup {lock}")
    return distributions(path=[str(path) for path in folders])


def _reachable(
    installed: dict[NormalizedName, Distribution], roots: Iterable[str], python: str
) -> set[NormalizedName]:
    marked: dict[str, Any] = {
        **default_environment(),
        "python_version": python,
        "python_full_version": python,
    }
    todo = [Requirement(root.rstrip("=")) for root in roots]
    seen: set[tuple[NormalizedName, frozenset[str]]] = set()
    while todo:
        required = todo.pop()
        key = (canonicalize_name(required.name), frozenset(required.extras))
        if key in seen or key[0] in LEFT_OUT:
            continue
        seen.add(key)
        if key[0] not in installed:
            raise BuildError(f"{required} is not installed in the environment of the lock")
        for line in installed[key[0]].requires or []:
            needed = Requirement(line)
            extras = required.extras or {""}
            if needed.marker is None or any(
                needed.marker.evaluate({**marked, "extra": extra}) for extra in extras
            ):
                todo.append(needed)
    return {name for name, _ in seen}
