"""A small valid instance of a JSON schema, or of a structural tag with schemas in it."""

import json
import math
from collections.abc import Mapping
from typing import Any

TYPES = ("string", "number", "integer", "boolean", "object", "array", "null")
WORD = "word"
DEEPEST = 32
"""Levels after which a schema that refers to itself is refused."""

Schema = Mapping[str, Any]


def json_text(schema: Schema) -> str:
    """A JSON text that fits `schema`. Raises ValueError for what is no schema."""
    _check(schema, 0)
    return json.dumps(_instance(schema, schema, 0), ensure_ascii=False)


def tag_text(tag: Schema) -> str | None:
    """A text that fits a structural tag; None where any text does.

    Raises ValueError for what is no such tag.
    """
    match tag:
        case {
            "type": "structural_tag",
            "format": {"type": "tags_with_separator", "tags": [*tags], "at_least_one": True},
        }:
            return _tag_texts(tags)[0]
        case {"type": "structural_tag", "format": {"type": "triggered_tags", "tags": [*tags]}}:
            _tag_texts(tags)
            return None
    raise ValueError(f"{tag!r} is no structural tag")


def _tag_texts(tags: list[Any]) -> list[str]:
    return [_tag_text(tag) for tag in tags]


def _tag_text(tag: Any) -> str:
    match tag:
        case {
            "type": "tag",
            "begin": str(begin),
            "content": {"type": "json_schema", "json_schema": dict(schema)},
            "end": str(end),
        }:
            return begin + json_text(schema) + end
    raise ValueError(f"{tag!r} is no tag")


def _check(schema: object, depth: int) -> None:
    """Every part is looked at, also those that the instance does not need."""
    if isinstance(schema, bool):
        return
    if not isinstance(schema, Mapping) or depth > DEEPEST:
        raise ValueError(f"{schema!r} is no JSON schema; allowed is an object or a boolean")
    for name in _types(schema):
        if name not in TYPES:
            raise ValueError(f"type {name!r} is unknown; allowed are {', '.join(TYPES)}")
    for name in ("properties", "$defs", "definitions"):
        if not isinstance(schema.get(name, {}), Mapping):
            raise ValueError(f"{name} must be an object of schemas")
        for part in schema.get(name, {}).values():
            _check(part, depth + 1)
    for name in ("anyOf", "oneOf", "allOf", "prefixItems", "enum", "required"):
        if not isinstance(schema.get(name, []), list):
            raise ValueError(f"{name} must be an array")
    for name in ("anyOf", "oneOf", "allOf", "prefixItems"):
        for part in schema.get(name, []):
            _check(part, depth + 1)
    for name in ("items", "additionalProperties", "not"):
        _check(schema.get(name, True), depth + 1)


def _types(schema: Schema) -> list[Any]:
    kinds = schema.get("type", [])
    return kinds if isinstance(kinds, list) else [kinds]


def _instance(schema: Any, root: Schema, depth: int) -> Any:
    if depth > DEEPEST:
        raise ValueError(f"the schema asks for more than {DEEPEST} levels")
    if isinstance(schema, bool):
        return {}
    if "$ref" in schema:
        return _instance(_referred(schema["$ref"], root), root, depth + 1)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    for name in ("anyOf", "oneOf"):
        if schema.get(name):
            return _instance(schema[name][0], root, depth + 1)
    if schema.get("allOf"):
        merged = {name: value for part in schema["allOf"] for name, value in part.items()}
        return _instance(merged, root, depth + 1)
    return _of_type(_kind(schema), schema, root, depth)


def _kind(schema: Schema) -> str:
    types = _types(schema)
    if types:
        return str(types[0])
    return "array" if "items" in schema or "prefixItems" in schema else "object"


def _of_type(kind: str, schema: Schema, root: Schema, depth: int) -> Any:
    match kind:
        case "string":
            return _string(schema)
        case "number" | "integer":
            return _number(schema, integer=kind == "integer")
        case "boolean":
            return True
        case "null":
            return None
        case "array":
            first = [_instance(part, root, depth + 1) for part in schema.get("prefixItems", [])]
            missing = max(0, schema.get("minItems", 0) - len(first))
            return first + [_instance(schema.get("items", {}), root, depth + 1)] * missing
        case _:
            properties = schema.get("properties", {})
            names = schema.get("required") or properties
            return {
                name: _instance(properties.get(name, {"type": "string"}), root, depth + 1)
                for name in names
            }


def _string(schema: Schema) -> str:
    if "pattern" in schema:
        raise ValueError(
            "a string with a pattern cannot be generated; allowed are enum and lengths"
        )
    least, most = schema.get("minLength", 0), schema.get("maxLength", math.inf)
    if least > most:
        raise ValueError(f"minLength {least} is above maxLength {most}")
    length = int(min(max(least, len(WORD)), most))
    return (WORD * (length // len(WORD) + 1))[:length]


def _number(schema: Schema, *, integer: bool) -> float:
    """0 if it fits, else a number beside a bound."""
    step = schema.get("multipleOf", 1 if integer else None)
    low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    above, below = (
        schema.get("exclusiveMinimum", -math.inf),
        schema.get("exclusiveMaximum", math.inf),
    )
    candidates = [0.0]
    for bound in (low, high, above, below):
        if math.isfinite(bound):
            start = bound if step is None else math.floor(bound / step) * step
            candidates += [start, start + (step or 1), start - (step or 1)]
    if step is None and math.isfinite(above) and math.isfinite(below):
        candidates.append((above + below) / 2)
    for value in candidates:
        if low <= value <= high and above < value < below:
            return int(value) if value == int(value) else value
    raise ValueError(f"no number fits {dict(schema)}")


def _referred(reference: str, root: Schema) -> Any:
    part: Any = root
    try:
        for name in reference.removeprefix("#").strip("/").split("/"):
            part = part[name] if name else part
    except (KeyError, TypeError):
        raise ValueError(f"$ref {reference!r} refers to nothing in the schema") from None
    return part
