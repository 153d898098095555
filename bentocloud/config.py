"""Reads a deployment file, changes it by --set, and holds it against BentoML's own classes.

BentoML itself drops a key that these classes do not have, and converts a value of another type.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Any, get_args, get_origin

import attr
import cattrs
from _bentoml_sdk.service.config import ServiceConfig
from bentoml._internal.cloud.schemas.schemasv2 import (
    CreateDeploymentSchema,
    DeploymentServiceConfig,
)
from cattrs.errors import ClassValidationError, ForbiddenExtraKeysError, IterableValidationError
from pydantic import BaseModel, ConfigDict, ValidationError

from common.messages import nearest
from common.yaml_lines import YAMLFault, parse_yaml

Config = dict[str, Any]
"""The content of a deployment file."""
KINDS = {str: "text (in quotes)", int: "a whole number", bool: "true or false"}


class DeployError(Exception):
    """Says in one line why nothing was deployed, and what would work."""


class _Overrides(BaseModel):
    """Reads the one field of a service that BentoML's class leaves open."""

    model_config = ConfigDict(extra="forbid", strict=True)
    config_overrides: ServiceConfig = {}


def _exactly(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise TypeError(f"has to be {KINDS[kind]}, not {value!r}")
    return value


def _list(value: Any, kind: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"has to be a list, not {value!r}")
    return [STRICT.structure(item, get_args(kind)[0]) for item in value]


STRICT = cattrs.Converter(forbid_extra_keys=True)
for _kind in KINDS:
    STRICT.register_structure_hook(_kind, _exactly)
STRICT.register_structure_hook_func(lambda kind: get_origin(kind) is list, _list)


def read_config(path: Path) -> Config:
    """Returns the content of a deployment file. Raises DeployError."""
    config = _yaml(str(path), path.read_text("utf-8"))
    if not isinstance(config, dict):
        raise DeployError(f"{path}: has to be a mapping of keys to values")
    return config


def _yaml(name: str, text: str) -> Any:
    try:
        return parse_yaml(text).value
    except YAMLFault as fault:
        line = "" if fault.line is None else f" (line {fault.line})"
        raise DeployError(f"{name}: is no YAML: {fault}{line}") from None


def override(config: Config, service: str, text: str) -> None:
    """Sets a key of the file, or of `service`: `scaling.max_replicas=3`. Raises DeployError."""
    name, equals, written = text.partition("=")
    # Without the value, which may be a secret.
    option = f"--set {name}"
    keys = name.split(".")
    if not equals or not all(keys):
        raise DeployError(f"{option}: has to be key=value")
    top, inner = [*_names(CreateDeploymentSchema), "cluster"], _names(DeploymentServiceConfig)
    if keys[0] not in top and keys[0] not in inner:
        raise DeployError(f"{option}: {_unknown(keys[0], [*top, *inner])}")
    if keys[0] not in top:
        keys = ["services", service, *keys]
    target: Any = config
    for key in keys[:-1]:
        target[key] = target = {} if target.get(key) is None else target[key]
        if not isinstance(target, dict):
            raise DeployError(f"{option}: {key} holds no keys")
    target[keys[-1]] = _yaml(option, written)


def check_keys(config: Config) -> None:
    """Raises DeployError for a key that is unknown or missing, or a value of another type."""
    if "bento" in config:
        raise DeployError("'bento' is left out of the file: it is built, or --bento")
    values = {key: value for key, value in config.items() if key != "cluster"}
    try:
        STRICT.structure({**values, "bento": ""}, CreateDeploymentSchema)
    except Exception as error:
        path, problem = _innermost(error)
        raise DeployError(f"{path}: {_describe(problem)}" if path else _describe(problem)) from None
    for name, service in (config.get("services") or {}).items():
        try:
            _Overrides(config_overrides=service.get("config_overrides") or {})
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            path = ".".join(map(str, ("services", name, *first["loc"])))
            raise DeployError(f"{path}: {first['msg']}, not {first['input']!r}") from None


def _innermost(error: BaseException) -> tuple[str, BaseException]:
    """Returns the first problem of a validation, with the keys that lead to it."""
    keys: list[str] = []
    while isinstance(error, ClassValidationError | IterableValidationError):
        noted, others = error.group_exceptions()
        if others:
            error = others[0]
        else:
            error, note = noted[0]
            keys.append(str(note.name if hasattr(note, "name") else note.index))
    return ".".join(keys), error


def _describe(problem: BaseException) -> str:
    if isinstance(problem, ForbiddenExtraKeysError):
        return _unknown(min(problem.extra_fields), _names(problem.cl))
    if isinstance(problem, KeyError):
        return "is missing"
    return str(problem) if isinstance(problem, TypeError) else "has to hold keys and values"


def _unknown(key: str, known: Collection[str]) -> str:
    return f"unknown key {key!r}{nearest(key, known)}; allowed are {', '.join(known)}"


def _names(kind: type) -> list[str]:
    return [field.name for field in attr.fields(kind)]
