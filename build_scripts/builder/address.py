"""The tag of a build in the store: the same inputs have the same tag."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from build_scripts.builder.recipe import Recipe
from build_scripts.builder.source import Source

VERSION_LENGTH = 16
"""Hexadecimal digits: two different builds of one model meet with a probability of 2^-64."""
NAME_LENGTH = 63
"""The longest name that BentoML takes."""


class Gpu(NamedTuple):
    name: str
    compute_capability: str


class Address(NamedTuple):
    """A tag of the BentoML model store."""

    name: str
    version: str

    @property
    def tag(self) -> str:
        return f"{self.name}:{self.version}"


def address(recipe: Recipe, source: Source, tools: Mapping[str, str], gpu: Gpu | None) -> Address:
    """Returns the tag of a build. `gpu` counts where the recipe is for one only."""
    inputs: dict[str, Any] = {
        "kind": recipe.kind,
        "scheme": recipe.scheme,
        "arguments": recipe.arguments,
        "tools": tools,
        "source": source.fingerprint,
        "gpu": gpu if recipe.for_one_gpu else None,
    }
    text = json.dumps(inputs, sort_keys=True)
    version = hashlib.sha256(text.encode()).hexdigest()[:VERSION_LENGTH]
    return Address(_name(source.model, recipe), version)


def _name(model: str, recipe: Recipe) -> str:
    """Returns a name of lower-case letters, digits, dots and dashes, as BentoML needs it."""
    last = model.rpartition("/")[2]
    ending = recipe.scheme if recipe.kind == "checkpoint" else f"{recipe.scheme}-{recipe.kind}"
    room = NAME_LENGTH - len(ending) - 1
    return f"{_slug(last)[:room].rstrip('-.')}-{_slug(ending)}"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.")
