"""Whether no value fits two of several schemas: then oneOf is anyOf."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from common.json_schema.words import TYPES, scalar_type


def are_disjoint(schemas: Sequence[object]) -> bool:
    """Returns False also where it cannot be told. References have to be resolved."""
    return all(_differ(one, other) for one, other in combinations(schemas, 2))


def _differ(one: object, other: object) -> bool:
    if not isinstance(one, Mapping) or not isinstance(other, Mapping):
        return False
    if not _types(one) & _types(other):
        return True
    choices, others = _choices(one), _choices(other)
    if choices is not None and others is not None:
        return not choices & others
    if _types(one) == _types(other) == {"object"}:
        return any(
            bool(tags := _tags(other, name)) and tags.isdisjoint(_tags(one, name))
            for name in _named(one)
        )
    return False


def _named(schema: Mapping[str, Any]) -> list[str]:
    """Returns the required properties that have only some values."""
    required = schema.get("required")
    return [
        name
        for name in (required if isinstance(required, list) else ())
        if isinstance(name, str) and _tags(schema, name)
    ]


def _tags(schema: Mapping[str, Any], name: str) -> set[Any]:
    properties = schema.get("properties")
    part = properties.get(name) if isinstance(properties, Mapping) else None
    required = schema.get("required")
    if not isinstance(part, Mapping) or not isinstance(required, list) or name not in required:
        return set()
    return _choices(part) or set()


def _choices(schema: Mapping[str, Any]) -> set[Any] | None:
    """Returns the values of an enum or const with their types, since 1 is True; None for others."""
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    if not isinstance(values, list) or not all(scalar_type(value) for value in values):
        return None
    return {(scalar_type(value), value) for value in values}


def _types(schema: Mapping[str, Any]) -> set[str]:
    """Returns the types that a value may have; an integer is a number."""
    choices = _choices(schema)
    if choices is not None:
        types = {kind for kind, _ in choices}
    else:
        kind = schema.get("type", list(TYPES))
        types = {str(each) for each in (kind if isinstance(kind, list) else [kind])}
    return types | ({"integer"} if "number" in types else set())
