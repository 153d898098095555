"""Makes bentofile.yaml and setup.sh: what `bentoml build` packs, and how it makes the image."""

import re
from pathlib import Path
from typing import Any

import yaml

from build_scripts.bentos.table import CACHE, ROOT, Bento
from common.plan.tables import FILE as TABLE

SERVICES = "services"
MODULE_NAME = re.compile(rf"\b{SERVICES}\.(\w+)")
"""Modules are imported under that name, or named so to the processes that an engine starts."""
KIND_ENGINE = re.compile(r"\bKind\([^)]*\bengine=\"(\w+)\"")
"""The schemes of a kind of compiled model are those of the table of that engine."""
ALWAYS = ["/LICENSE", "/common/", f"/{SERVICES}/__init__.py"]
NEVER = [
    "**/__pycache__/",
    "**/.*",
    *(f"**/*.{ending}" for ending in ("env", "key", "log", "pem", "pyc", "swp", "tmp")),
    "**/id_rsa*",
    "/common/demo_model/questions.jsonl",
]
"""Caches, files that lie about and may be secret, and what tests ask the demo model."""


def options(bento: Bento) -> dict[str, Any]:
    """Returns what bentoml is told, under the names of a bentofile."""
    packaging = bento.packaging
    python: dict[str, Any] = {"requirements_txt": f"./{bento.file('requirements.txt')}"}
    if packaging.find_links:
        python["find_links"] = list(packaging.find_links)
    docker: dict[str, Any] = {"python_version": packaging.python}
    if packaging.image or packaging.cuda or packaging.pinned:
        docker["base_image"] = bento.base_image
    if packaging.system_packages:
        docker["system_packages"] = list(packaging.system_packages)
    docker["setup_script"] = f"./{bento.file('setup.sh')}"
    labels = {"backend": bento.backend, "engine_version": bento.release}
    return {
        "service": bento.target,
        "name": bento.name,
        "description": f"file: ./{bento.file('README.md')}",
        "labels": labels | ({"variant": bento.variant} if bento.variant else {}),
        "include": included(bento.backend),
        "exclude": NEVER,
        "envs": [{"name": name, "value": value} for name, value in bento.env.items()],
        # Locked in requirements.txt already; bentoml would ask the index at each build.
        "python": {**python, "lock_packages": False},
        "docker": docker,
    }


def bentofile(bento: Bento, head: str) -> str:
    """Returns the text of bentofile.yaml; `head` is its first comment."""
    source = "Made by python -m build_scripts.bentos --write from bentos/bentos.toml and the engine"
    values = yaml.safe_dump(options(bento), sort_keys=False, width=1000)
    return f"# {head}\n# {source}.\n{values}"


def setup_script(bento: Bento) -> str:
    """Returns the text of setup.sh, which runs as root at the end of the image's build."""
    commands = [
        "# A volume that is mounted there takes over its owner.",
        f"mkdir -p {CACHE}",
        f"chown bentoml:bentoml {CACHE}",
        *bento.packaging.setup,
    ]
    return "\n".join(["#!/bin/sh", "set -eu", *commands]) + "\n"


def included(backend: str) -> list[str]:
    """Returns patterns, as bentofile.yaml has them, of shared code, the adapter and its parts."""
    names: set[str] = set()
    tables: set[str] = set()
    new = {backend, f"_{backend}"}
    while new:
        names |= new
        text = "".join(file.read_text("utf-8") for name in new for file in _sources(name))
        tables |= {f"_{engine}" for engine in KIND_ENGINE.findall(text)}
        new = set(MODULE_NAME.findall(text)) - names
    paths = [*map(_path, names), *(_path(name) / TABLE for name in tables - names)]
    parts = [f"/{path.relative_to(ROOT)}" for path in paths if path.exists()]
    return sorted(
        [*ALWAYS, *(f"{part}/" if (ROOT / part[1:]).is_dir() else part for part in parts)]
    )


def _path(name: str) -> Path:
    folder = ROOT / SERVICES / name
    return folder if folder.is_dir() else folder.with_suffix(".py")


def _sources(name: str) -> list[Path]:
    path = _path(name)
    if path.is_dir():
        return sorted(path.rglob("*.py"))
    return [path] if path.exists() else []
