"""The values of arguments that a model writes as text, by the schema of its tool."""

import json
from collections.abc import Mapping
from typing import Any

TYPES: Mapping[type, tuple[str, ...]] = {
    bool: ("boolean",),
    int: ("integer", "number"),
    float: ("number",),
    dict: ("object",),
    list: ("array",),
    type(None): ("null",),
}


def argument_types(schema: Mapping[str, Any], name: str) -> set[str]:
    """Returns the types that a tool's schema names for an argument; none for an unknown one."""
    properties = schema.get("properties")
    return _types(properties.get(name)) if isinstance(properties, Mapping) else set()


def json_text(value: str) -> str:
    """Returns a text as JSON has it, without its quotes."""
    return json.dumps(value, ensure_ascii=False)[1:-1]


def typed(text: str, types: set[str]) -> Any:
    """Returns the value of one of `types` that `text` stands for; else the text."""
    if types <= {"string"}:
        return text
    try:
        value = json.loads(text)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        return text
    return value if types.intersection(TYPES.get(type(value), ())) else text


def _types(schema: object) -> set[str]:
    """Returns the types that a schema names, at its top or in anyOf; of a $ref all but strings."""
    if not isinstance(schema, Mapping):
        return set()
    if "$ref" in schema:
        return {name for names in TYPES.values() for name in names}
    kind = schema.get("type", ())
    types = {str(name) for name in ([kind] if isinstance(kind, str) else kind)}
    branches = schema.get("anyOf")
    for branch in branches if isinstance(branches, list) else ():
        types |= _types(branch)
    return types
