"""Keys and types of a deployment file, as BentoML's own classes declare them.

BentoML reads a file with these classes, but drops keys they do not have and converts what is of
another type; here both are errors.
"""

import difflib
import types
from collections.abc import Collection, Mapping
from typing import Any, Union, get_args, get_origin, get_type_hints

import attr
from _bentoml_sdk.service.config import ServiceConfig
from bentoml._internal.cloud.schemas.modelschemas import DeploymentServiceConfig
from bentoml._internal.cloud.schemas.schemasv2 import CreateDeploymentSchema
from pydantic import PydanticSchemaGenerationError, TypeAdapter, ValidationError
from typing_extensions import is_typeddict

from build_scripts.deploy.document import Document, Place

BESIDE_THE_SCHEMA = {"cluster": str}
"""What BentoML's client takes from a file before it reads the rest with the schema
(DeploymentConfigParameters.get_cluster)."""
NOT_A_FILES = {"bento"}
"""Known when the bento is built."""
CLOSER: Mapping[tuple[type, str], Any] = {
    (DeploymentServiceConfig, "config_overrides"): ServiceConfig,
}
"""Fields that the schema leaves open, and what they hold:
docs.bentoml.com, "Configure Deployments", "Override configurations"."""


def top_keys() -> Mapping[str, Any]:
    """Of the file itself."""
    keys = {**fields(CreateDeploymentSchema), **BESIDE_THE_SCHEMA}
    return {name: kind for name, kind in keys.items() if name not in NOT_A_FILES}


def service_keys() -> Mapping[str, Any]:
    """Of each service."""
    return fields(DeploymentServiceConfig)


def fields(kind: Any) -> dict[str, Any]:
    """The keys of an attrs class or a TypedDict, with the types of their values."""
    hints = get_type_hints(kind, include_extras=True)
    if is_typeddict(kind):
        return hints
    return {
        name: CLOSER.get((kind, name), hints[name])
        for name in (one.alias or one.name for one in attr.fields(kind))
    }


def check_schema(document: Document) -> None:
    """Raises DeployError for the first key that is unknown, missing or of a wrong type."""
    if "bento" in document.data:
        raise document.error(("bento",), "'bento' is left out of the file: it is built, or --bento")
    _check_keys(document, (), document.data, top_keys(), {})


def unknown(key: str, known: Collection[str]) -> str:
    """The message for a key that does not exist."""
    near = difflib.get_close_matches(key, known, 1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return f"unknown key {key!r}{hint}; allowed are {', '.join(known)}"


def _check_keys(
    document: Document,
    place: Place,
    value: Mapping[str, Any],
    keys: Mapping[str, Any],
    needed: Collection[str],
) -> None:
    for key, inner in value.items():
        if key not in keys:
            raise document.error((*place, key), unknown(key, keys))
        _check(document, (*place, key), inner, keys[key])
    for key in needed:
        if key not in value:
            raise document.error(place, f"{_show(place)} has no {key!r}")


def _check(document: Document, place: Place, value: Any, kind: Any) -> None:
    kind, may_be_none = _without_none(kind)
    if value is None and may_be_none:
        return
    if attr.has(kind) or is_typeddict(kind):
        _expect(document, place, value, dict, "keys and values")
        _check_keys(document, place, value, fields(kind), _needed(kind))
    elif get_origin(kind) is list:
        _expect(document, place, value, list, "a list")
        for number, item in enumerate(value):
            _check(document, (*place, number), item, get_args(kind)[0])
    elif get_origin(kind) is dict:
        _expect(document, place, value, dict, "keys and values")
        for key, inner in value.items():
            _check(document, (*place, key), inner, get_args(kind)[1])
    else:
        _check_leaf(document, place, value, kind)


def _check_leaf(document: Document, place: Place, value: Any, kind: Any) -> None:
    try:
        TypeAdapter(kind).validate_python(value, strict=True)
    except PydanticSchemaGenerationError:
        raise TypeError(
            f"{_show(place)}: {kind} is none of the kinds that are known here"
        ) from None
    except ValidationError as error:
        reason = error.errors(include_url=False)[0]["msg"]
        hint = " (quotes make it text)" if kind is str and value is not None else ""
        raise document.error(
            place, f"{_show(place)}: {reason[0].lower()}{reason[1:]}, not {value!r}{hint}"
        ) from None


def _expect(document: Document, place: Place, value: Any, kind: type, words: str) -> None:
    if not isinstance(value, kind):
        raise document.error(place, f"{_show(place)}: has to hold {words}, not {value!r}")


def _without_none(kind: Any) -> tuple[Any, bool]:
    """`X, True` for Optional[X], the kind itself otherwise."""
    if get_origin(kind) not in (Union, types.UnionType):
        return kind, kind is Any
    rest = tuple(one for one in get_args(kind) if one is not type(None))
    if len(rest) == len(get_args(kind)):
        return kind, False
    return (rest[0] if len(rest) == 1 else Union[rest]), True  # noqa: UP007


def _needed(kind: Any) -> Collection[str]:
    if is_typeddict(kind):
        return sorted(kind.__required_keys__)
    return [one.name for one in attr.fields(kind) if one.default is attr.NOTHING]


def _show(place: Place) -> str:
    text = "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in place)
    return text.removeprefix(".")
