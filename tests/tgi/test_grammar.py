"""JSON schemas become expressions of which every match is a document of the schema."""

import json
import re
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from common.errors import InvalidValue
from services._tgi.grammar import expression
from tests.doubles.tgi.tgi_double.grammar import document

PERSON = {
    "type": "object",
    "title": "Person",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 8, "description": "in full"},
        "age": {"type": ["integer", "null"]},
        "tags": {"type": "array", "items": {"enum": ["a", 'b"', "c\\ d"]}, "maxItems": 3},
        "home": {"$ref": "#/$defs/place"},
    },
    "required": ["age", "home"],
    "additionalProperties": False,
    "$defs": {
        "place": {
            "properties": {"lat": {"type": "number"}, "kind": {"const": "place"}},
            "required": ["kind"],
        }
    },
}
SCHEMAS: list[dict[str, Any]] = [
    {},
    {"type": "object"},
    {"type": "object", "additionalProperties": {"type": "integer"}},
    {"type": "object", "additionalProperties": False},
    {"type": "object", "properties": {"a": {"type": "boolean"}, "b": {"type": "null"}}},
    {"properties": {"a": {}, "b": {"type": "array"}, "c": True}, "required": ["b"]},
    {"type": "object", "properties": {}},
    {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 4},
    {"type": "array", "items": {"type": "boolean"}, "minItems": 1},
    {"type": "array", "items": False},
    {"type": "array", "maxItems": 0},
    {"anyOf": [{"type": "string", "maxLength": 2}, {"type": "array", "items": {"type": "null"}}]},
    {"enum": [1, "one", None, {"a": [1, 2]}, True]},
    {"enum": [1, "one", 2.5], "type": ["integer", "string"]},
    {"type": ["integer", "number", "boolean", "null"]},
    PERSON,
]
REFUSED: list[dict[str, Any]] = [
    {"type": "nonsense"},
    {"type": []},
    {"type": 5},
    {"type": "integer", "minimum": 5},
    {"minimum": 5},
    {"type": "string", "pattern": "a+"},
    {"type": "string", "format": "date"},
    {"type": "string", "minLength": 3, "maxLength": 2},
    {"type": "string", "maxLength": 10**9},
    {"type": "string", "minLength": -1},
    {"type": "array", "uniqueItems": True},
    {"type": "array", "items": False, "minItems": 1},
    {"type": "object", "minProperties": 1},
    {"type": "object", "required": ["a"]},
    {"type": "object", "properties": {"a": {}}, "required": ["b"]},
    {"type": "object", "properties": {"a": False}},
    {"type": "object", "properties": []},
    {"type": "object", "properties": {"a": {}}, "additionalProperties": 5},
    {"oneOf": [{"type": "string"}]},
    {"allOf": [{"type": "string"}]},
    {"not": {}},
    {"anyOf": []},
    {"anyOf": [{"type": "string"}], "type": "string"},
    {"enum": []},
    {"enum": [1], "type": "string"},
    {"$ref": "#/$defs/missing"},
    {"$ref": "http://example.org/schema"},
    {"$ref": 5},
    {"$ref": "#"},
    {"type": "array", "items": {"$ref": "#"}},
    {"type": "object", "properties": {f"p{n}": {} for n in range(100)}},
    {"enum": ["x" * 100_000]},
    {
        "$ref": "#/$defs/0",
        "$defs": {str(n): {"anyOf": [{"$ref": f"#/$defs/{n + 1}"}] * 8} for n in range(14)}
        | {"14": {"type": "string"}},
    },
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: json.dumps(schema)[:60])
def test_every_match_is_a_document_of_the_schema(schema: dict[str, Any]) -> None:
    validator = Draft202012Validator(schema)

    @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.from_regex(expression(schema), fullmatch=True))
    def run(text: str) -> None:
        validator.validate(json.loads(text))

    run()


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ('{"name": "Ann", "age": 5, "tags": ["a", "b\\""], "home": {"kind": "place"}}', True),
        ('{"age":null,"home":{"lat":-1.5e3,"kind":"place"}}', True),
        ('{"age": 5, "tags": [], "home": {"kind": "place"}}', True),
        ('{"age": 5, "home": {"kind": "elsewhere"}}', False),
        ('{"home": {"kind": "place"}}', False),
        ('{"name": "", "age": 5, "home": {"kind": "place"}}', False),
        ('{"age": 05, "home": {"kind": "place"}}', False),
        ('{"age": 5, "home": {"kind": "place"}, "more": 1}', False),
    ],
)
def test_documents_of_the_schema_match(text: str, matches: bool) -> None:
    assert bool(re.fullmatch(expression(PERSON), text)) is matches


def test_a_free_object_has_room_for_lists_and_objects() -> None:
    text = '{"a": 1, "b": ["x", -2.5, null], "c": {"d": true}, "e": {}}'
    assert re.fullmatch(expression({"type": "object"}), text)


@pytest.mark.parametrize("schema", REFUSED, ids=lambda schema: json.dumps(schema)[:60])
def test_what_cannot_be_followed_is_refused_with_what_is_allowed(schema: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue) as raised:
        expression(schema)
    assert "allowed" in raised.value.message
    assert len(raised.value.message) < 400


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: json.dumps(schema)[:60])
def test_the_double_finds_a_document(schema: dict[str, Any]) -> None:
    Draft202012Validator(schema).validate(document(expression(schema)))
