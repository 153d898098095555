"""A check of JSON schemas against what the grammar compiler of an engine is known to honour."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NoReturn

from common.errors import InvalidValue, UnsupportedParameter

ANNOTATIONS = {
    "$comment", "$defs", "$schema", "default", "deprecated", "description", "examples", "readOnly",
    "title", "writeOnly",
}  # fmt: skip
"""Keywords that restrict nothing by themselves."""
FORMS = ("$ref", "const", "enum", "anyOf")
TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")
ANY = "any"
"""The form of a schema that allows any value."""
DEFINITIONS = "#/$defs/"
LIMITS = (("minItems", "maxItems"), ("minLength", "maxLength"))
MAX_LIMIT = 1000
MAX_DEPTH = 32
MAX_PARTS = 1000
"""Compilers write references out, so that a short schema can stand for a huge grammar."""
MAX_INTEGER = 2**53
PARAM = "response_format"


@dataclass(frozen=True)
class SchemaSupport:
    """Says what the engine `title` honours: for each form of a schema the keywords beside it.

    The form is the first of FORMS that the schema has, else its type, else ANY. What is not listed
    is refused, since the compiler would ignore it, or fail for every request at once.
    """

    title: str
    keywords: Mapping[str, Collection[str]]

    def check(self, schema: Mapping[str, Any]) -> None:
        """Raises InvalidValue for what is no schema, UnsupportedParameter for what is ignored."""
        _Walk(self, schema).check(schema, depth=0, weight=1)

    def refuse(self, what: str) -> NoReturn:
        """Raises UnsupportedParameter."""
        keywords = {*self.keywords, *(each for row in self.keywords.values() for each in row)}
        listed = sorted(keywords - {ANY, *TYPES})
        raise UnsupportedParameter(
            f"{PARAM}: {self.title} does not honour {what} in a JSON schema; "
            f"it honours {', '.join(listed)}",
            param=PARAM,
        )


class _Walk:
    """One pass over a schema, with its references written out."""

    def __init__(self, support: SchemaSupport, root: Mapping[str, Any]) -> None:
        self._support = support
        self._refuse = support.refuse
        self._definitions = root.get("$defs", {})
        self._parts = 0

    def check(self, schema: object, depth: int, weight: int) -> None:
        """`weight` is how many times the compiler writes this part."""
        self._parts += weight
        if depth > MAX_DEPTH or self._parts > MAX_PARTS:
            self._refuse(f"more than {MAX_DEPTH} levels or {MAX_PARTS} parts, or a $ref to itself,")
        if isinstance(schema, bool):
            self._refuse(f"{str(schema).lower()} in place of a schema")
        if not isinstance(schema, Mapping):
            _malformed("a schema is an object")
        words = {name: value for name, value in schema.items() if name not in ANNOTATIONS}
        form = self._form(words)
        if form not in self._support.keywords:
            self._refuse("a schema without a type" if form == ANY else repr(form))
        allowed = {form, "type" if form in TYPES else form, *self._support.keywords[form]}
        for name in words:
            if name not in allowed:
                self._refuse(f"{str(name)[:40]!r} beside {form!r}")
        self._check_limits(words)
        if form in ("const", "enum"):
            self._check_choices(words, form)
        for part, times in self._parts_of(words, form):
            self.check(part, depth + 1, weight * times)

    def _form(self, words: Mapping[str, Any]) -> str:
        for form in FORMS:
            if form in words:
                return form
        kind = words.get("type", ANY)
        if isinstance(kind, list):
            self._refuse("a list of types (anyOf is)")
        if kind is not ANY and kind not in TYPES:
            _malformed(f"{str(kind)[:40]!r} is no type; allowed are {', '.join(TYPES)}")
        if kind is ANY and words:
            self._refuse(f"{str(next(iter(words)))[:40]!r} without a type")
        return str(kind)

    def _parts_of(self, words: Mapping[str, Any], form: str) -> Sequence[tuple[Any, int]]:
        """Returns the schemas in a schema, each with how many times it is written."""
        match form:
            case "$ref":
                return [(self._definition(words["$ref"]), 1)]
            case "anyOf":
                return [(part, 1) for part in _list(words, "anyOf")]
            case "array":
                items = [words["items"]] if "items" in words else []
                first = _list(words, "prefixItems") if "prefixItems" in words else []
                return [(part, 1) for part in (*first, *items)]
            case "object":
                return self._properties(words)
        return []

    def _properties(self, words: Mapping[str, Any]) -> Sequence[tuple[Any, int]]:
        properties, required = words.get("properties", {}), words.get("required", [])
        if not isinstance(properties, Mapping) or not isinstance(required, list):
            _malformed("properties are an object, and required is an array")
        if not all(isinstance(name, str) for name in required):
            _malformed("required has names of properties")
        if not properties.keys() >= set(required):
            self._refuse("a required property that is not among properties")
        for name in properties:
            self._check_text(name, also='"\\')
        others = words.get("additionalProperties", True)
        # Where none is required, each may come first, with all the others behind it.
        times = 1 if required else len(properties)
        return [
            *((part, times) for part in properties.values()),
            *([] if isinstance(others, bool) else [(others, 1)]),
        ]

    def _definition(self, reference: object) -> object:
        if not isinstance(reference, str):
            _malformed("$ref is a string")
        if not reference.startswith(DEFINITIONS):
            self._refuse(f"a $ref that does not begin with {DEFINITIONS}")
        name = reference.removeprefix(DEFINITIONS)
        if not isinstance(self._definitions, Mapping) or name not in self._definitions:
            _malformed(f"{reference[:80]!r} refers to nothing in it")
        return self._definitions[name]

    def _check_choices(self, words: Mapping[str, Any], form: str) -> None:
        """Refuses those that JSON can write in several ways, or not of the type beside them."""
        for value in [words["const"]] if form == "const" else _list(words, "enum"):
            kind = _scalar_type(value)
            if kind is None:
                self._refuse("other choices than strings, integers, true, false and null")
            if words.get("type", kind) not in (kind, "number" if kind == "integer" else kind):
                self._refuse(f"{form!r} with a value that is not of its type")
            if isinstance(value, str):
                self._check_text(value)

    def _check_text(self, text: str, also: str = "") -> None:
        """Compilers do not escape all that they put into a grammar."""
        if not text.isprintable() or any(character in text for character in also):
            self._refuse("names or choices with control characters, or names with quotes,")

    def _check_limits(self, words: Mapping[str, Any]) -> None:
        for names in LIMITS:
            limits = [words[name] for name in names if name in words]
            if not all(type(limit) is int and 0 <= limit <= MAX_LIMIT for limit in limits):
                self._refuse(f"{' or '.join(names)} outside 0 to {MAX_LIMIT}")
            if any(low > high for low, high in pairwise(limits)):
                _malformed(f"{names[0]} is above {names[1]}")


def _malformed(why: str) -> NoReturn:
    raise InvalidValue(f"{PARAM}: this is no JSON schema: {why}", param=PARAM)


def _list(words: Mapping[str, Any], name: str) -> list[Any]:
    values = words[name]
    if not isinstance(values, list) or not values:
        _malformed(f"{name} is an array that is not empty")
    return values


def _scalar_type(value: object) -> str | None:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer" if abs(value) < MAX_INTEGER else None
        case str():
            return "string"
    return None
