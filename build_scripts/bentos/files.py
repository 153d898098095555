"""The files in bentos/<backend>/, as the table, the engine class and the project make them."""

from typing import Any

import yaml

from build_scripts.bentos import requirements
from build_scripts.bentos.deployment import deployment
from build_scripts.bentos.readme import readme
from build_scripts.bentos.sources import NEVER, included
from build_scripts.bentos.table import CACHE, ROOT, Bento

DEFAULT = "vllm"
"""The backend of the bentofile.yaml in the root."""
BENTOFILE, REQUIREMENTS, SETUP = "bentofile.yaml", "requirements.txt", "setup.sh"
DEPLOYMENT, README = "deployment.yaml", "README.md"


def wanted(bento: Bento) -> dict[str, str]:
    """Text by path from the root, but for the requirements: those are checked, not compared."""
    made = {bento.file(BENTOFILE): bentofile(bento), bento.file(SETUP): setup(bento)}
    made[bento.file(README)] = readme(bento)
    if not bento.variant:
        made[bento.file(DEPLOYMENT)] = deployment(bento)
    if bento.backend == DEFAULT and not bento.variant:
        made[BENTOFILE] = f"# The default bento: bentoml build, from here.\n{_yaml(bento)}"
    return made


def disagreements(bento: Bento) -> list[str]:
    """What lies in bentos/ and is not as it would be made, a line each."""
    found = []
    for name, text in wanted(bento).items():
        file = ROOT / name
        if not file.exists() or file.read_text("utf-8") != text:
            found.append(f"{name} is not what --write makes")
    pins = ROOT / bento.file(REQUIREMENTS)
    text = pins.read_text("utf-8") if pins.exists() else ""
    found += [
        f"{bento.file(REQUIREMENTS)}: {line}" for line in requirements.disagreements(bento, text)
    ]
    return found


def write(bento: Bento, *, lock: bool) -> None:
    """Make them, the requirements only when `lock` asks for it or they disagree.

    Raises BuildError where requirements cannot be made here.
    """
    pins = ROOT / bento.file(REQUIREMENTS)
    pins.parent.mkdir(parents=True, exist_ok=True)
    if lock or not pins.exists() or requirements.disagreements(bento, pins.read_text("utf-8")):
        pins.write_text(requirements.locked(bento), "utf-8")
    for name, text in wanted(bento).items():
        (ROOT / name).write_text(text, "utf-8")
        if name.endswith(".sh"):
            (ROOT / name).chmod(0o755)


def options(bento: Bento) -> dict[str, Any]:
    """What bentoml is told, under the names of a bentofile."""
    packaging = bento.packaging
    python: dict[str, Any] = {"requirements_txt": f"./{bento.file(REQUIREMENTS)}"}
    if packaging.find_links:
        python["find_links"] = list(packaging.find_links)
    docker: dict[str, Any] = {"python_version": packaging.python}
    if packaging.image is not None:
        docker["base_image"] = bento.image
    if packaging.system_packages:
        docker["system_packages"] = list(packaging.system_packages)
    docker["setup_script"] = f"./{bento.file(SETUP)}"
    labels = {"backend": bento.backend, "engine_version": bento.release}
    return {
        "service": bento.target,
        "name": bento.name,
        "description": f"file: ./{bento.file(README)}",
        "labels": labels | ({"variant": bento.variant} if bento.variant else {}),
        "include": included(bento.backend),
        "exclude": NEVER,
        "envs": [{"name": name, "value": value} for name, value in bento.env.items()],
        # Locked in requirements.txt already; bentoml would ask the index at each build.
        "python": {**python, "lock_packages": False},
        "docker": docker,
    }


def bentofile(bento: Bento) -> str:
    """For `bentoml build -f`, which has to run in the root."""
    path = bento.file(BENTOFILE)
    return f"# bentoml build -f {path}, from the root of the repository.\n{_yaml(bento)}"


def setup(bento: Bento) -> str:
    """What is run as root at the end of the image's build."""
    commands = [
        "# A volume that is mounted there takes over its owner.",
        f"mkdir -p {CACHE}",
        f"chown bentoml:bentoml {CACHE}",
        *bento.packaging.setup,
    ]
    return "\n".join(["#!/bin/sh", "set -eu", *commands]) + "\n"


def _yaml(bento: Bento) -> str:
    made = (
        "# Made by python -m build_scripts.bentos --write from bentos/bentos.toml and the engine.\n"
    )
    return made + yaml.safe_dump(options(bento), sort_keys=False, width=1000)
