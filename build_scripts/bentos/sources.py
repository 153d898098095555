"""Which files of the repository a bento carries."""

import re
from pathlib import Path

from build_scripts.bentos.table import ROOT

SERVICES = "services"
NAMED = re.compile(rf"\b{SERVICES}\.(\w+)")
"""Modules are imported under that name, or named so to the processes that an engine starts."""
ALWAYS = ["/LICENSE", "/common/", f"/{SERVICES}/__init__.py"]
NEVER = [
    "**/__pycache__/",
    "**/.*",
    *(f"**/*.{ending}" for ending in ("env", "key", "log", "pem", "pyc", "swp", "tmp")),
    "**/id_rsa*",
    "/common/demo_model/questions.jsonl",
]
"""Caches, what lies about and may be secret, what tests ask the demo model."""


def included(backend: str) -> list[str]:
    """Patterns as bentofile.yaml has them: shared code, the adapter, and its parts."""
    found: set[str] = set()
    new = {backend, f"_{backend}"}
    while new:
        found |= new
        text = "".join(file.read_text("utf-8") for name in new for file in _files(name))
        new = set(NAMED.findall(text)) - found
    parts = [f"/{path.relative_to(ROOT)}" for path in map(_path, sorted(found)) if path.exists()]
    return sorted(
        [*ALWAYS, *(f"{part}/" if (ROOT / part[1:]).is_dir() else part for part in parts)]
    )


def _path(name: str) -> Path:
    folder = ROOT / SERVICES / name
    return folder if folder.is_dir() else folder.with_suffix(".py")


def _files(name: str) -> list[Path]:
    path = _path(name)
    if path.is_dir():
        return sorted(path.rglob("*.py"))
    return [path] if path.exists() else []
