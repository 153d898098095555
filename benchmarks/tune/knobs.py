"""The knobs that a backend declares for a tuner, in services/_<name>/knobs.toml."""

import copy
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

SERVICES = Path(__file__).parents[2] / "services"
FILE = "knobs.toml"
ENGINE_ARGS = "engine_args."
"""The beginning of a knob that is an argument of the engine itself."""


class Knob(BaseModel):
    """A setting, or an argument of `engine_args`, and the values that are worth a trial, the
    likeliest to help first."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    setting: str
    values: tuple[bool | int | float | str, ...] = Field(min_length=1)
    about: str


class Knobs(BaseModel):
    """A file of knobs; `source` says where the arguments were read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    knobs: tuple[Knob, ...] = Field(min_length=1)


def declared_knobs(backend: str) -> tuple[Knob, ...]:
    """Returns those of a backend; empty where it declares none."""
    file = SERVICES / f"_{backend}" / FILE
    if not file.is_file():
        return ()
    return Knobs.model_validate(tomllib.loads(file.read_text("utf-8"))).knobs


def tuned_backends() -> list[str]:
    """Returns the backends that declare knobs."""
    return sorted(file.parent.name.removeprefix("_") for file in SERVICES.glob(f"_*/{FILE}"))


def with_value(settings: Mapping[str, Any], setting: str, value: Any) -> dict[str, Any]:
    """Returns the settings of a service with one changed."""
    changed = copy.deepcopy(dict(settings))
    if setting.startswith(ENGINE_ARGS):
        arguments = changed.setdefault("engine_args", {})
        arguments[setting.removeprefix(ENGINE_ARGS)] = value
    else:
        changed[setting] = value
    return changed
