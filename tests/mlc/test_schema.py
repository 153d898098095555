"""JSON schemas as MLC-LLM's grammar compiler follows them; what it would not is refused."""

import json
from typing import Any

import pytest

from common.errors import InvalidValue
from services._mlc.schema import MOST_PARTS, grammar_schema


def closed(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (
            {"type": "object"},
            {"type": "object", "properties": {}, "required": [], "additionalProperties": True},
        ),
        (closed(a={"type": "string", "title": "A", "default": "b"}), closed(a={"type": "string"})),
        ({"required": ["a"]}, closed(a={})),
        (
            {"properties": {"a": {"type": "null"}}},
            {**closed(a={"type": "null"}), "required": []},
        ),
        (
            {"type": "object", "additionalProperties": {"type": "integer"}, "required": ["a"]},
            {**closed(a={"type": "integer"}), "additionalProperties": {"type": "integer"}},
        ),
        ({"type": "array"}, {"type": "array", "items": {}}),
        (
            {"prefixItems": [True], "items": False},
            {"type": "array", "prefixItems": [{}], "items": False},
        ),
        ({"type": ["string", "null"]}, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        (
            {"type": ["array", "null"], "items": {"type": "number"}},
            {"anyOf": [{"type": "array", "items": {"type": "number"}}, {"type": "null"}]},
        ),
        ({"const": "é"}, {"enum": ["é"]}),
        ({"enum": ["a", 1, True, None], "type": "number"}, {"enum": [1]}),
        ({"anyOf": [{"type": "boolean"}, True]}, {"anyOf": [{"type": "boolean"}, {}]}),
        (
            {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"enum": [2]}}, "$ref": "#/$defs/a"},
            {"enum": [2]},
        ),
        ({}, {}),
    ],
)
def test_a_schema_is_rewritten_to_words_that_are_followed(
    schema: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert json.loads(grammar_schema(schema)) == {"anyOf": [expected]}


BOMB = {
    "$defs": {
        f"d{level}": {"anyOf": [{"$ref": f"#/$defs/d{level + 1}"}] * 4} for level in range(12)
    }
    | {"d12": {}},
    "$ref": "#/$defs/d0",
}


@pytest.mark.parametrize(
    ("schema", "word"),
    [
        ({"type": "string", "maxLength": 3}, "maxLength"),
        (closed(a={"type": "integer", "minimum": 3}), "minimum"),
        ({"oneOf": [{}]}, "oneOf"),
        ({"type": "nonsense"}, "nonsense"),
        ({"type": []}, r"\[\]"),
        ({"type": ["string", "b"]}, '"b"'),
        ({"type": "string", "items": {}}, "items"),
        ({"type": ["string", "null"], "items": {}}, "items"),
        ({"properties": []}, "properties"),
        ({"properties": {"a": False}}, "false"),
        ({"properties": {'a"b': {}}}, 'a\\\\"b'),
        ({"properties": {"a\nb": {}}}, "a"),
        ({"required": [1]}, "1"),
        ({"required": ["a"], "additionalProperties": False}, "'a'"),
        ({"items": 3}, "3"),
        ({"enum": []}, "enum"),
        ({"enum": [1.5]}, "1.5"),
        ({"enum": [[1]]}, r"\[1\]"),
        ({"enum": ["a\n"]}, "character"),
        ({"enum": [1], "type": "string"}, "another type"),
        ({"const": 1, "enum": [1]}, "beside"),
        ({"anyOf": [{}], "type": "string"}, "beside"),
        ({"anyOf": {}}, "anyOf"),
        ({"$ref": "#/$defs/none"}, "none"),
        ({"$ref": "http://elsewhere"}, "elsewhere"),
        ({"$ref": 3}, "3"),
        ({"$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}, "$ref": "#/$defs/a"}, "itself"),
        (BOMB, str(MOST_PARTS)),
        (json.loads('{"items":' * 40 + "{}" + "}" * 40), "levels"),
    ],
)
def test_what_would_be_ignored_or_end_the_engine_is_refused(
    schema: dict[str, Any], word: str
) -> None:
    with pytest.raises(InvalidValue, match=word) as refused:
        grammar_schema(schema)
    assert refused.value.param == "response_format"
    assert "additionalProperties" in refused.value.message
