"""A JSON schema in the words that MLC-LLM's grammar compiler is known to follow.

The compiler (xgrammar d4f57c44, cpp/json_schema_converter.cc) ignores bounds, lengths and
patterns, and a schema that it cannot read ends the thread that generates for everybody. So each
schema is rewritten to what it follows to the letter, and what cannot be is refused.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from common.errors import InvalidValue

ANNOTATIONS = frozenset(
    (
        "$comment",
        "$defs",
        "$schema",
        "default",
        "definitions",
        "deprecated",
        "description",
        "examples",
        "format",
        "readOnly",
        "title",
        "writeOnly",
    )
)
"""Keywords that restrict nothing by themselves."""
OF_TYPE: Mapping[str, Sequence[str]] = {
    "object": ("properties", "required", "additionalProperties"),
    "array": ("items", "prefixItems"),
    "string": (),
    "number": (),
    "integer": (),
    "boolean": (),
    "null": (),
}
FOLLOWED = ("$ref", "anyOf", "const", "enum", "type", *OF_TYPE["object"], *OF_TYPE["array"])
DEEPEST = 32
MOST_PARTS = 2000
"""References are written out: a short schema can stand for a huge one."""

Schema = dict[str, Any]


def grammar_schema(schema: Mapping[str, Any]) -> str:
    """JSON text for MLC-LLM. Raises InvalidValue for a schema it does not follow."""
    rewritten = _Rewriter(schema).rewrite(schema, 0, ())
    # For a schema that it has a rule for already, such as {}, it makes none for the root, and dies.
    return json.dumps({"anyOf": [rewritten]}, ensure_ascii=False)


def _refusal(reason: str) -> InvalidValue:
    return InvalidValue(
        f"the schema has {reason}; MLC-LLM follows {', '.join(FOLLOWED)}", param="response_format"
    )


class _Rewriter:
    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._parts = 0

    def rewrite(self, schema: object, depth: int, references: tuple[str, ...]) -> Schema:
        """`references` are those that lead here."""
        self._parts += 1
        if depth > DEEPEST or self._parts > MOST_PARTS:
            raise _refusal(f"more than {DEEPEST} levels or {MOST_PARTS} parts")
        if schema is True:
            return {}
        if not isinstance(schema, Mapping):
            raise _refusal(f"{json.dumps(schema)} where a schema should be")
        words = {key: value for key, value in schema.items() if key not in ANNOTATIONS}
        if unknown := sorted(words.keys() - set(FOLLOWED)):
            raise _refusal(f"{unknown[0]!r}, which it would not be held to")
        if "$ref" in words:
            _alone(words, "$ref")
            name = words["$ref"]
            if name in references:
                raise _refusal(f"{name!r}, which refers to itself")
            return self.rewrite(self._referred(name), depth + 1, (*references, name))
        if "const" in words or "enum" in words:
            return _choices(words)
        if "anyOf" in words:
            _alone(words, "anyOf")
            return self._any_of(_list(words, "anyOf"), depth, references)
        return self._by_type(words, depth, references)

    def _referred(self, name: object) -> object:
        found: Any = self._root
        if not isinstance(name, str) or not name.startswith("#/"):
            raise _refusal(f"$ref {json.dumps(name)}, which is not in the schema itself")
        for key in name[2:].split("/"):
            if not isinstance(found, Mapping) or key not in found:
                raise _refusal(f"$ref {name!r}, which is not in the schema itself")
            found = found[key]
        return found

    def _any_of(self, parts: Iterable[object], depth: int, references: tuple[str, ...]) -> Schema:
        return {"anyOf": [self.rewrite(part, depth + 1, references) for part in parts]}

    def _by_type(self, words: Schema, depth: int, references: tuple[str, ...]) -> Schema:
        kinds = words.pop("type", None)
        if isinstance(kinds, list) and kinds:
            parts = [{"type": kind} | _words_of(kind, words) for kind in kinds]
            if unused := sorted(words.keys() - {key for part in parts for key in part}):
                raise _refusal(f"{unused[0]!r}, which belongs to none of its types")
            return self._any_of(parts, depth, references)
        if kinds is None:
            if not words:
                return {}
            kinds = next(kind for kind, own in OF_TYPE.items() if words.keys() & set(own))
        own = _words_of(kinds, words)
        if unused := sorted(words.keys() - own.keys()):
            raise _refusal(f"{unused[0]!r} in a schema of type {kinds!r}")
        match kinds:
            case "object":
                return self._object(own, depth, references)
            case "array":
                return self._array(own, depth, references)
        return {"type": kinds}

    def _object(self, words: Schema, depth: int, references: tuple[str, ...]) -> Schema:
        properties = words.get("properties", {})
        if not isinstance(properties, Mapping):
            raise _refusal("properties that are no object")
        required = _list(words, "required") if words.get("required") else []
        others = words.get("additionalProperties", True)
        named = dict(properties)
        for name in required:
            if not isinstance(name, str):
                raise _refusal(f"{json.dumps(name)} where the name of a property should be")
            if name not in named and others is False:
                raise _refusal(f"{name!r}, which is required and not allowed")
            named.setdefault(name, others)
        for name in named:
            _check_text(name, also='"\\')
        if named and "additionalProperties" not in words:
            # What nobody asked for may be left out.
            others = False
        schema: Schema = {
            "type": "object",
            "properties": {k: self.rewrite(v, depth + 1, references) for k, v in named.items()},
            "required": required,
        }
        schema["additionalProperties"] = (
            others if isinstance(others, bool) else self.rewrite(others, depth + 1, references)
        )
        return schema

    def _array(self, words: Schema, depth: int, references: tuple[str, ...]) -> Schema:
        schema: Schema = {"type": "array"}
        if words.get("prefixItems"):
            parts = _list(words, "prefixItems")
            schema["prefixItems"] = [self.rewrite(part, depth + 1, references) for part in parts]
        items = words.get("items", True)
        schema["items"] = items if items is False else self.rewrite(items, depth + 1, references)
        return schema


def _words_of(kind: object, words: Schema) -> Schema:
    if not isinstance(kind, str) or kind not in OF_TYPE:
        raise _refusal(f"the type {json.dumps(kind)}")
    return {key: value for key, value in words.items() if key in OF_TYPE[kind]}


def _alone(words: Schema, key: str) -> None:
    if len(words) > 1:
        raise _refusal(f"{key!r} beside {sorted(words.keys() - {key})[0]!r}")


def _list(words: Schema, key: str) -> list[object]:
    value = words[key]
    if not isinstance(value, list) or not value:
        raise _refusal(f"{key!r} that is no list or empty")
    return value


def _choices(words: Schema) -> Schema:
    """`const` is a list of one; a type beside it leaves the values that fit."""
    key = "const" if "const" in words else "enum"
    values = [words[key]] if key == "const" else _list(words, key)
    rest = words.keys() - {key, "type"}
    if rest:
        raise _refusal(f"{key!r} beside {sorted(rest)[0]!r}")
    if "type" in words:
        kinds = words["type"] if isinstance(words["type"], list) else [words["type"]]
        for kind in kinds:
            _words_of(kind, {})
        values = [value for value in values if _kind(value) & set(kinds)]
        if not values:
            raise _refusal(f"{key!r} of another type")
    for value in values:
        if not _kind(value):
            raise _refusal(f"{json.dumps(value)} as a choice, which is no text, integer or name")
        if isinstance(value, str):
            _check_text(value)
    return {"enum": values}


def _kind(value: object) -> set[str]:
    """Types of a choice that is written in one way only; none for others."""
    match value:
        case bool():
            return {"boolean"}
        case int():
            return {"integer", "number"} if abs(value) < 2**53 else set()
        case str():
            return {"string"}
        case None:
            return {"null"}
    return set()


def _check_text(text: str, also: str = "") -> None:
    """The compiler does not escape what it puts into its grammar."""
    if not text.isprintable() or any(character in text for character in also):
        raise _refusal(f"{json.dumps(text)}, with a character that it cannot be held to")
