"""One pass over a schema: every part, and what its references lead to."""

from collections.abc import Mapping, Sequence
from typing import Any

from common.json_schema import values
from common.json_schema.disjoint import are_disjoint
from common.json_schema.support import SchemaSupport
from common.json_schema.words import (
    ANY,
    FORMS,
    LIST,
    TRUE,
    TYPES,
    Refusals,
    is_annotation,
    quoted,
)

DEFINITIONS = ("#/$defs/", "#/definitions/")
ROOT = "#"
CHOICE = 0.1
"""The cost of a choice in parts."""
Parts = Sequence[tuple[Any, int]]
"""Schemas in a schema, each with how many times the compiler writes it."""


def check_schema(
    support: SchemaSupport, schema: Mapping[str, Any], param: str, spent: float = 0
) -> float:
    """Returns its cost on top of what is `spent` for others of the same request, in parts.

    Raises InvalidValue for what is no schema, UnsupportedParameter for what is not enforced.
    """
    walk = _Walk(support, support.refusals(param), schema, spent)
    walk.check(schema)
    return walk.cost


class _Walk:
    """Checks one schema; raises the errors of `refusals`."""

    def __init__(
        self, support: SchemaSupport, refusals: Refusals, root: Mapping[str, Any], spent: float
    ) -> None:
        self._support = support
        self._refuse = refusals.unsupported
        self._malformed = refusals.malformed
        self._refusals = refusals
        self._root = root
        self.cost = spent
        self._strings: set[object] = set()
        self._followed = {ROOT}

    def check(
        self,
        schema: object,
        depth: int = 0,
        weight: int = 1,
        within: frozenset[str] = frozenset({ROOT}),
    ) -> None:
        """`weight` is how many times the compiler writes this part; `within` are the references to
        this part that no bracket stands between."""
        self._spend(weight, depth)
        if isinstance(schema, bool):
            if not schema or TRUE not in self._support.keywords:
                self._refuse(f"{str(schema).lower()} in place of a schema")
            return
        if not isinstance(schema, Mapping):
            self._malformed("a schema is an object")
        words = {name: value for name, value in schema.items() if not is_annotation(str(name))}
        form = self._form(words)
        types = self._check_words(words, form)
        if form in ("const", "enum"):
            values.check_choices(self._refusals, words, form, escapes=self._support.escapes)
            self._spend(CHOICE * len(words.get("enum", ())))
        for kind in types:
            self._check_values(words, kind)
        if form == "$ref":
            self._follow(words["$ref"], depth, weight, within)
        inner = within if form in FORMS else frozenset[str]()
        for part, times in self._parts_of(words, form, types):
            self.check(part, depth + 1, weight * times, inner)

    def _spend(self, parts: float, depth: int = 0) -> None:
        limits = self._support.limits
        self.cost += parts
        if depth > limits.depth or self.cost > limits.parts:
            self._refuse(
                f"more than {limits.depth} levels or the cost of {limits.parts:g} parts (a limited "
                "length and optional properties cost the most), or a $ref to itself,"
            )

    def _form(self, words: Mapping[str, Any]) -> str:
        """Returns the form. Raises UnsupportedParameter for one that is not enforced."""
        form = next((form for form in FORMS if form in words), None)
        kind = words.get("type", ANY)
        if form is None and isinstance(kind, list):
            form = LIST
        if form is None:
            if kind is not ANY and kind not in TYPES:
                self._malformed(f"{quoted(kind)} is no type; allowed are {', '.join(TYPES)}")
            if kind is ANY and words:
                self._refuse(f"{quoted(next(iter(words)))} without a type")
            form = str(kind)
        if form not in self._support.keywords:
            names = {ANY: "a schema without a type", LIST: "a list of types (anyOf is)"}
            self._refuse(names.get(form, repr(form)))
        return form

    def _check_words(self, words: Mapping[str, Any], form: str) -> Sequence[str]:
        """Returns the types whose keywords apply."""
        types = [form] if form in TYPES else self._types(words) if form == LIST else []
        allowed = {*self._support.keywords[form], form}
        for kind in types:
            allowed |= {"type", *self._support.keywords.get(kind, ())}
        self._refusals.check_beside(words, allowed, form)
        return types

    def _types(self, words: Mapping[str, Any]) -> list[str]:
        types = self._list(words, "type")
        for kind in types:
            if kind not in TYPES:
                self._malformed(f"{quoted(kind)} is no type; allowed are {', '.join(TYPES)}")
        return types

    def _check_values(self, words: Mapping[str, Any], kind: str) -> None:
        """Checks the keywords of a type, but for those that hold schemas."""
        limits = self._support.limits
        match kind:
            case "integer" | "number":
                values.check_bounds(self._refusals, words, kind)
            case "string":
                values.check_string(self._refusals, words, self._support.formats)
                self._spend(limits.format if "format" in words else 0)
                least, most = values.limits(self._refusals, words, "Length", limits.count)
                counted = values.pattern_length(self._refusals, words.get("pattern"))
                described = (least, most, words.get("pattern"))
                if described not in self._strings:
                    self._strings.add(described)
                    self._spend(limits.of_lengths(least, most) + limits.length * counted)
            case "array":
                values.limits(self._refusals, words, "Items", limits.count)

    def _parts_of(self, words: Mapping[str, Any], form: str, types: Sequence[str]) -> Parts:
        match form:
            case "anyOf" | "oneOf" | "allOf":
                return self._branches(words, form)
        parts = self._items(words) if "array" in types else []
        return [*parts, *(self._properties(words) if "object" in types else [])]

    def _branches(self, words: Mapping[str, Any], form: str) -> Parts:
        branches = self._list(words, form)
        if form == "allOf" and len(branches) > 1:
            self._refuse("'allOf' of more than one schema")
        if form == "oneOf" and not are_disjoint([self._resolved(each) for each in branches]):
            self._refuse(
                "'oneOf' of schemas that one value may fit together (anyOf is enforced, and "
                "objects that differ in a required property with a const)"
            )
        return [(branch, 1) for branch in branches]

    def _items(self, words: Mapping[str, Any]) -> Parts:
        first = self._list(words, "prefixItems") if "prefixItems" in words else []
        items = words.get("items")
        if isinstance(items, list):
            self._refuse("'items' that is a list (prefixItems is)")
        more = isinstance(items, Mapping) or items is True
        if items is False and not first:
            self._refuse("'items' that is false, without 'prefixItems'")
        closed = self._support.closed and not more
        if closed and not first and {"minItems", "maxItems"} & set(words):
            self._refuse("'minItems' or 'maxItems' without 'items'")
        if (closed or items is False) and words.get("minItems", 0) > len(first):
            self._refuse("'minItems' above the number of 'prefixItems', without 'items'")
        return [(part, 1) for part in (*first, *([items] if more else []))]

    def _properties(self, words: Mapping[str, Any]) -> Parts:
        properties, required = words.get("properties", {}), words.get("required", [])
        if not isinstance(properties, Mapping) or not isinstance(required, list):
            self._malformed("properties are an object, and required is an array")
        if not all(isinstance(name, str) for name in required):
            self._malformed("required has names of properties")
        if not properties.keys() >= set(required):
            self._refuse("a required property that is not among properties")
        if not self._support.escapes:
            for name in properties:
                values.check_text(self._refusals, name, also='"\\')
        others = words.get("additionalProperties", True)
        open_too = words.get("additionalProperties", False) is not False
        if open_too and properties and self._support.mixes_names:
            self._refuse("'additionalProperties' other than false beside 'properties'")
        self._spend(self._support.limits.of_properties(len(properties) - len(set(required))))
        # Where none is required, each may come first, with all the others behind it.
        times = 1 if required or self._support.rules else max(len(properties), 1)
        parts = [(part, times) for part in properties.values()]
        return parts if isinstance(others, bool) else [*parts, (others, 1)]

    def _follow(self, reference: object, depth: int, weight: int, within: frozenset[str]) -> None:
        """With rules each reference is followed once, but never back to itself at once."""
        target = self._target(reference)
        name = str(reference)
        if self._support.rules and name in within:
            self._refuse("a $ref to itself")
        if self._support.rules and name in self._followed:
            return
        self._followed.add(name)
        self.check(target, depth + 1, weight, within | {name})

    def _resolved(self, schema: object) -> object:
        """Returns what a schema stands for that is only a reference, or alone in a list."""
        for _ in range(self._support.limits.depth):
            if not isinstance(schema, Mapping):
                return schema
            if "$ref" in schema:
                schema = self._target(schema["$ref"])
            elif isinstance(schema.get("allOf"), list) and len(schema["allOf"]) == 1:
                schema = schema["allOf"][0]
            else:
                return schema
        return self._refuse("a $ref to itself")

    def _target(self, reference: object) -> object:
        if not isinstance(reference, str):
            self._malformed("$ref is a string")
        if reference == ROOT and self._support.rules:
            return self._root
        start = next((start for start in DEFINITIONS if reference.startswith(start)), None)
        if start is None or any(character in reference for character in "~%"):
            self._refuse(
                f"a $ref that does not begin with {' or '.join(DEFINITIONS)}, or has escapes, as "
                f"{quoted(reference)}"
            )
        definitions = self._root.get(start.strip("#/"), {})
        name = reference.removeprefix(start)
        if not isinstance(definitions, Mapping) or name not in definitions:
            self._malformed(f"{quoted(reference)} refers to nothing in it")
        return definitions[name]

    def _list(self, words: Mapping[str, Any], name: str) -> list[Any]:
        entries = words[name]
        if not isinstance(entries, list) or not entries:
            self._malformed(f"{name} is an array that is not empty")
        return entries
