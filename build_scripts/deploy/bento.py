"""The bento that is deployed: built now, or in the store already."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import bentoml
from bentoml.exceptions import BentoMLException

from build_scripts.bentos.baked import Baked, bake
from build_scripts.bentos.build import build
from build_scripts.bentos.table import bento
from build_scripts.builder.errors import BuildError
from build_scripts.deploy.errors import DeployError
from build_scripts.deploy.target import Target
from common.errors import StartError


@dataclass(frozen=True)
class Stored:
    """`arguments` are the settings that were baked in, `environment` what it declares."""

    tag: str
    arguments: Mapping[str, Any]
    service: str
    environment: Sequence[Mapping[str, Any]]


def baked(target: Target, arguments: Sequence[str]) -> Baked:
    """`arguments` are name=value. Raises DeployError for what cannot be baked in."""
    try:
        return bake(target.engine, arguments)
    except (BuildError, StartError) as error:
        raise DeployError(str(error)) from None


def build_bento(target: Target, what: Baked) -> Stored:
    """Raises DeployError; then nothing is left in the store."""
    try:
        made = build(bento(target.backend), what, None)
    except (BuildError, StartError) as error:
        raise DeployError(str(error)) from None
    return stored_bento(f"{made.parent.name}:{made.name}", target)


def stored_bento(tag: str, target: Target) -> Stored:
    """Raises DeployError for a tag that is not in the store, or of another backend."""
    try:
        found = bentoml.get(tag)
    except (BentoMLException, ValueError):
        raise DeployError(
            f"--bento {tag}: is not in the store; `bentoml list {target.bento}` shows what is"
        ) from None
    info = found.info
    if info.entry_service != target.service:
        raise DeployError(
            f"--bento {tag}: is one of {info.labels.get('backend', info.entry_service)!r}, "
            f"not of {target.backend!r}"
        )
    if variant := info.labels.get("variant"):
        raise DeployError(
            f"--bento {tag}: is built for {variant!r}, and deployment.yaml is of {target.bento}"
        )
    environment = [{"name": e.name, "value": e.value, "stage": e.stage} for e in info.envs]
    return Stored(str(found.tag), dict(info.args), str(info.entry_service), environment)
