"""The backend that is deployed, as its module and its bentofile tell it."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from build_scripts.deploy.errors import DeployError
from common.engine import Engine
from services._backends import backends, load

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Target:
    """`service` is the name in the bento, and `needs` are the environment variables that it
    declares without a value."""

    backend: str
    engine: type[Engine]
    service: str
    needs: Sequence[str]

    @property
    def folder(self) -> Path:
        return ROOT / "bentos" / self.backend

    @property
    def bentofile(self) -> Path:
        return self.folder / "bentofile.yaml"

    @property
    def deployment(self) -> Path:
        return self.folder / "deployment.yaml"

    @property
    def bento(self) -> str:
        """Its name, without a version."""
        return str(yaml.safe_load(self.bentofile.read_text("utf-8"))["name"])


def find_target(backend: str) -> Target:
    """Raises DeployError for a backend that does not exist."""
    known = backends()
    if backend not in known:
        near = difflib.get_close_matches(backend, known, 1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise DeployError(f"no backend {backend!r}{hint}; there are {', '.join(known)}")
    service, engine = load(backend)
    bentofile = yaml.safe_load((ROOT / "bentos" / backend / "bentofile.yaml").read_text("utf-8"))
    return Target(backend, engine, service.partition(":")[2], needed(bentofile.get("envs")))


def needed(environment: Sequence[Mapping[str, Any]] | None) -> list[str]:
    """Of the `envs` of a bento: those to be given when it runs."""
    return [
        str(one["name"])
        for one in environment or ()
        if not one.get("value") and one.get("stage") != "build"
    ]
