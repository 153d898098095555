"""JSON schemas as the regular expressions that TGI follows.

TGI has a translation of its own, and leaves out of it, without a word, what it cannot express:
`minimum`, `pattern` beside `properties`, `additionalProperties`. Here that is refused. Every text
that matches is a JSON document of the schema; of white space only single blanks are allowed.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from common.errors import InvalidValue

STRING_CHARACTER = r'([^"\\\x00-\x1F\x7F-\x9F]|\\["\\/bfnrt])'
INTEGER = r"-?(0|[1-9][0-9]{0,17})"
NUMBER = rf"{INTEGER}(\.[0-9]{{1,17}})?([eE][+-]?[0-9]{{1,2}})?"
SCALARS: Mapping[str, str] = {
    "string": f'"{STRING_CHARACTER}*"',
    "integer": INTEGER,
    "number": NUMBER,
    "boolean": "(true|false)",
    "null": "null",
}
TYPES = (*SCALARS, "array", "object")
DEEPEST = 16
FREE_DEPTH = 2
"""Levels of arrays and objects where the schema leaves the value open."""
LONGEST = 50_000
"""Characters of an expression: TGI compiles it while all other requests wait."""
MOST_REPEATS = 1000
ANNOTATIONS = {
    "$comment", "$defs", "$id", "$schema", "default", "definitions", "deprecated", "description",
    "examples", "readOnly", "title", "writeOnly",
}  # fmt: skip
KEYWORDS: Mapping[str, set[str]] = {
    "string": {"minLength", "maxLength"},
    "array": {"items", "minItems", "maxItems"},
    "object": {"properties", "required", "additionalProperties"},
}
ALLOWED = sorted({"$ref", "anyOf", "const", "enum", "type"}.union(*KEYWORDS.values()))
ANY: Mapping[str, Any] = {}

Schema = Mapping[str, Any]


def expression(schema: Schema) -> str:
    """Raises InvalidValue for what is no schema, or none that can be followed."""
    return _Translation(schema).value(schema, 0)


class _Translation:
    def __init__(self, root: Schema) -> None:
        self._root = root
        self._made = 0

    def value(self, schema: Any, depth: int) -> str:
        """The expression of one value."""
        if schema is True:
            schema = ANY
        if not isinstance(schema, Mapping):
            raise _refused(f"{json.dumps(schema)[:40]} is no schema that a value can fit")
        if depth > DEEPEST:
            raise _refused(f"it has, or refers to itself for, more than {DEEPEST} levels")
        found = self._value({k: v for k, v in schema.items() if k not in ANNOTATIONS}, depth)
        self._made += len(found)
        _check_length(self._made)
        return found

    def _value(self, schema: Schema, depth: int) -> str:
        if not schema:
            return self._anything(FREE_DEPTH)
        if "$ref" in schema:
            _only(schema, {"$ref"})
            return self.value(self._referred(schema["$ref"]), depth + 1)
        if "anyOf" in schema:
            _only(schema, {"anyOf"})
            return _either([self.value(one, depth + 1) for one in _list(schema, "anyOf")])
        for keyword in ("const", "enum"):
            if keyword in schema:
                _only(schema, {keyword, "type"})
                values = [schema["const"]] if keyword == "const" else _list(schema, "enum")
                return _either([_literal(value) for value in _of_type(values, schema)])
        types = _types(schema)
        _only(schema, {"type"}.union(*(KEYWORDS.get(one, set()) for one in types)))
        return _either([self._of_type(one, schema, depth) for one in types])

    def _of_type(self, kind: str, schema: Schema, depth: int) -> str:
        match kind:
            case "string" if {"minLength", "maxLength"} & schema.keys():
                low, high = _bounds(schema, "minLength", "maxLength")
                return f'"{STRING_CHARACTER}{_repeated(low, high)}"'
            case "array":
                item = self._inner(schema.get("items", ANY), depth)
                return _array(item, *_bounds(schema, "minItems", "maxItems"))
            case "object" if "properties" in schema:
                return self._object(schema, depth)
            case "object":
                if schema.get("required"):
                    raise _refused("required names what properties does not")
                return _dictionary(self._inner(schema.get("additionalProperties", ANY), depth))
            case _:
                return SCALARS[kind]

    def _object(self, schema: Schema, depth: int) -> str:
        """The named properties in their order, the optional ones there or not, and no others."""
        properties = schema["properties"]
        required = schema.get("required", [])
        if not isinstance(properties, Mapping) or not isinstance(required, list):
            raise _refused("properties must be an object and required an array")
        if not set(map(str, required)) <= properties.keys():
            raise _refused("required names what properties does not")
        if not isinstance(schema.get("additionalProperties", True), bool | Mapping):
            raise _refused("additionalProperties must be a schema")
        members = [
            (f"{_literal(name)}: ?{self.value(part, depth + 1)}", name in required)
            for name, part in properties.items()
        ]
        return rf"\{{{_members(members)}\}}"

    def _inner(self, schema: Any, depth: int) -> str | None:
        """Of an array's items or an object's values; None where there can be none."""
        if schema is False:
            return None
        if schema is True or schema == ANY:
            return self._anything(FREE_DEPTH - 1)
        return self.value(schema, depth + 1)

    def _anything(self, depth: int) -> str:
        found = list(SCALARS.values())
        if depth:
            inner = self._anything(depth - 1)
            found += [_array(inner, 0, None), _dictionary(inner)]
        return _either(found)

    def _referred(self, reference: Any) -> Any:
        found: Any = self._root
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise _refused("a $ref must begin with '#'")
        for part in reference[1:].split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, Mapping) or name not in found:
                raise _refused("a $ref refers to nothing in it")
            found = found[name]
        return found


def _refused(why: str) -> InvalidValue:
    return InvalidValue(
        f"the JSON schema cannot be followed: {why}; allowed with TGI are {', '.join(ALLOWED)}"
    )


def _check_length(length: int) -> None:
    if length > LONGEST:
        raise _refused("it is too large")


def _only(schema: Schema, allowed: set[str]) -> None:
    for keyword in schema:
        if keyword not in allowed:
            raise _refused(f"{str(keyword)[:40]!r} cannot be expressed there")


def _list(schema: Schema, keyword: str) -> list[Any]:
    values = schema[keyword]
    if not isinstance(values, list) or not values:
        raise _refused(f"{keyword} must be an array with something in it")
    return values


def _types(schema: Schema) -> list[str]:
    """Where it is not said, the keywords tell."""
    if "type" not in schema:
        return [kind for kind, keywords in KEYWORDS.items() if keywords & schema.keys()] or ["?"]
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if not types or not all(isinstance(one, str) and one in TYPES for one in types):
        raise _refused(f"a type must be one of {', '.join(TYPES)}")
    return types


def _of_type(values: list[Any], schema: Schema) -> list[Any]:
    """Those of `values` that `type` allows as well."""
    if "type" not in schema:
        return values
    expressions = [SCALARS.get(one, "[{[].*") for one in _types(schema)]
    fitting = [v for v in values if any(re.fullmatch(e, json.dumps(v)) for e in expressions)]
    if not fitting:
        raise _refused("its values are not of its type")
    return fitting


def _literal(value: Any) -> str:
    return re.escape(json.dumps(value, ensure_ascii=False)).replace(r"\ ", " ")


def _either(expressions: list[str]) -> str:
    return expressions[0] if len(expressions) == 1 else f"({'|'.join(expressions)})"


def _bounds(schema: Schema, least: str, most: str) -> tuple[int, int | None]:
    low, high = schema.get(least, 0), schema.get(most)
    for value in (low, high):
        if value is not None and not (isinstance(value, int) and 0 <= value <= MOST_REPEATS):
            raise _refused(f"{least} and {most} must be integers from 0 to {MOST_REPEATS}")
    if high is not None and low > high:
        raise _refused(f"{least} is above {most}")
    return low, high


def _repeated(low: int, high: int | None) -> str:
    return f"{{{low},{'' if high is None else high}}}"


def _array(item: str | None, low: int, high: int | None) -> str:
    if high == 0 or (item is None and low == 0):
        return r"\[\]"
    if item is None:
        raise _refused("items allows none, and minItems asks for some")
    more = f"(, ?{item}){_repeated(max(low - 1, 0), None if high is None else high - 1)}"
    return rf"\[{item}{more}\]" if low else rf"\[({item}{more})?\]"


def _dictionary(value: str | None) -> str:
    if value is None:
        return r"\{\}"
    member = f"{SCALARS['string']}: ?{value}"
    return rf"\{{({member}(, ?{member})*)?\}}"


def _members(members: list[tuple[str, bool]]) -> str:
    """`members` with commas between them; those that are not required may be left out."""
    first = next((i for i, (_, required) in enumerate(members) if required), len(members))
    tail = "".join(
        f", ?{member}" if required else f"(, ?{member})?"
        for member, required in members[first + 1 :]
    )
    if first == len(members):
        _check_length(len(members) * sum(len(member) for member, _ in members))
        begun = [
            member + "".join(f"(, ?{later})?" for later, _ in members[i + 1 :])
            for i, (member, _) in enumerate(members)
        ]
        return f"({'|'.join(begun)})?" if begun else ""
    before = "".join(f"({member}, ?)?" for member, _ in members[:first])
    return before + members[first][0] + tail
