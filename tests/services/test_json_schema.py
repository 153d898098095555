"""What the engines without a validator of their own take of a JSON schema, and refuse."""

import json
import re
from typing import Any

import pytest

from common.errors import InvalidValue, RequestError, UnsupportedParameter
from services._mlc.request import grammar_schema
from services._tgi.request import ANY_OBJECT, grammar

ENGINES = {"tgi": grammar, "mlc": grammar_schema}
PLACE = {
    "type": "object",
    "properties": {"lat": {"type": "number"}, "kind": {"const": "place", "type": "string"}},
    "required": ["kind"],
}
PERSON: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Person",
    "type": "object",
    "properties": {
        "name": {"type": "string", "description": "in full"},
        "age": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
        "tags": {"type": "array", "items": {"enum": ["a", 'b"', 3, None, True]}},
        "home": {"$ref": "#/$defs/Place"},
        "more": {"type": "object", "additionalProperties": {"type": "boolean"}},
    },
    "required": ["age", "home"],
    "additionalProperties": False,
    "$defs": {"Place": PLACE},
}


def within(part: Any, **root: Any) -> dict[str, Any]:
    """A schema with `part` in it, at a root that every engine takes."""
    return {"type": "object", "properties": {"a": part}, "required": ["a"], **root}


def test_tgi_gets_a_schema_as_it_is() -> None:
    assert grammar(PERSON) == {"type": "json", "value": PERSON}
    bounds = within({"type": "array", "items": {"type": "null"}, "minItems": 2, "maxItems": 2})
    assert grammar(bounds) == {"type": "json", "value": bounds}


def test_mlc_gets_a_schema_under_a_root_of_its_own_from_which_references_lead() -> None:
    root = json.loads(grammar_schema(PERSON))
    (branch,) = root.pop("anyOf")
    assert branch | root == PERSON
    for anything in ({}, {"type": "object"}, {"type": "array", "prefixItems": [{}]}):
        assert json.loads(grammar_schema(anything)) == {"anyOf": [anything], "$defs": {}}


def test_a_tool_that_has_to_be_called_is_one_branch_and_the_root_for_tgi() -> None:
    call = within({"type": "object"})
    assert grammar({"anyOf": [call]}) == {"type": "json", "value": call}
    with pytest.raises(UnsupportedParameter, match="at the root"):
        grammar({"anyOf": [call, call]})


@pytest.mark.parametrize("schema", [{"type": "string"}, {"type": "object", "required": []}])
def test_tgi_takes_no_root_without_properties(schema: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedParameter, match="an object with properties at the root"):
        grammar(schema)


def test_any_object_is_an_expression_for_tgi_with_room_for_lists_and_objects() -> None:
    assert grammar({"type": "object"}) == {"type": "regex", "value": ANY_OBJECT}
    assert re.fullmatch(ANY_OBJECT, '{"a": 1, "b": ["x\\n", -2.5e3, null], "c": {"d": true}}')
    assert re.fullmatch(ANY_OBJECT, "{}")
    for text in ("[]", '{"a": 01}', '{"a": 1,}', '{"a": "\n"}', '{"a": 1} '):
        assert not re.fullmatch(ANY_OBJECT, text)


ONLY_ONE = [
    ("tgi", within({"type": "string", "format": "date"}), "'format'"),
    ("tgi", within({}), "without a type"),
    ("tgi", within({"type": "array", "prefixItems": [{"type": "null"}]}), "'prefixItems'"),
    ("mlc", within({"type": "string", "maxLength": 3}), "'maxLength'"),
    ("mlc", within({"type": "array", "minItems": 1}), "'minItems'"),
]


@pytest.mark.parametrize(("engine", "schema", "word"), ONLY_ONE)
def test_what_one_engine_ignores_is_refused_for_it_alone(
    engine: str, schema: dict[str, Any], word: str
) -> None:
    with pytest.raises(UnsupportedParameter, match=word):
        ENGINES[engine](schema)
    (other,) = ENGINES.keys() - {engine}
    ENGINES[other](schema)


BOMB = {f"d{level}": {"anyOf": [{"$ref": f"#/$defs/d{level + 1}"}] * 4} for level in range(12)} | {
    "d12": {"type": "null"}
}
IGNORED: list[tuple[dict[str, Any], str]] = [
    (within({"type": "integer", "minimum": 5}), "'minimum' beside 'integer'"),
    (within({"type": "string", "pattern": "a+"}), "'pattern'"),
    (within({"type": "array", "uniqueItems": True}), "'uniqueItems'"),
    (within({"type": "object", "minProperties": 1}), "'minProperties'"),
    (within({"oneOf": [{"type": "string"}]}), "'oneOf' without a type"),
    (within({"not": {}}), "'not'"),
    (within({"properties": {}}), "'properties' without a type"),
    (within({"type": ["string", "null"]}), "a list of types"),
    (within({"anyOf": [{"type": "string"}], "type": "string"}), "'type' beside 'anyOf'"),
    (within({"const": 1, "enum": [1]}), "'enum' beside 'const'"),
    (within({"const": 1, "type": "string"}), "not of its type"),
    (within({"enum": [1, "a"], "type": "integer"}), "not of its type"),
    (within({"enum": [1.5]}), "other choices"),
    (within({"enum": [[1]]}), "other choices"),
    (within({"enum": ["a\n"]}), "control characters"),
    ({"type": "object", "properties": {'a"b': {"type": "null"}}}, "quotes"),
    ({"type": "object", "properties": {"a": {"type": "null"}}, "required": ["b"]}, "required"),
    (within(False), "false in place of a schema"),
    (within({"type": "array", "items": True}), "true in place of a schema"),
    (within({"$ref": "http://elsewhere"}), "a \\$ref that does not begin"),
    (within({"$ref": "#"}), "a \\$ref that does not begin"),
    (within({"$ref": "#/$defs/a"}, **{"$defs": {"a": {"$ref": "#/$defs/a"}}}), "to itself"),
    (within({"$ref": "#/$defs/d0"}, **{"$defs": BOMB}), "1000 parts"),
    (within(json.loads('{"type":"array","items":' * 40 + '{"type":"null"}' + "}" * 40)), "levels"),
    ({"type": "object", "properties": {f"p{n}": {"type": "null"} for n in range(40)}}, "parts"),
]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("schema", "word"), IGNORED, ids=[word for _, word in IGNORED])
def test_what_would_be_ignored_is_refused_with_what_is_honoured(
    engine: str, schema: dict[str, Any], word: str
) -> None:
    with pytest.raises(UnsupportedParameter, match=word) as refused:
        ENGINES[engine](schema)
    assert refused.value.param == "response_format"
    assert "it honours $ref, additionalProperties, anyOf" in refused.value.message


MALFORMED: list[dict[str, Any]] = [
    within({"type": "nonsense"}),
    within({"type": 5}),
    within(3),
    within({"type": "object", "properties": []}),
    within({"type": "object", "required": [1]}),
    within({"anyOf": []}),
    within({"enum": {}}),
    within({"$ref": 5}),
    within({"$ref": "#/$defs/missing"}),
]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("schema", MALFORMED, ids=json.dumps)
def test_what_is_no_schema_is_refused_as_such(engine: str, schema: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue, match="this is no JSON schema: ") as refused:
        ENGINES[engine](schema)
    assert refused.value.param == "response_format"


@pytest.mark.parametrize(
    ("limits", "refusal"),
    [
        ({"minItems": -1}, UnsupportedParameter),
        ({"maxItems": 10**9}, UnsupportedParameter),
        ({"maxItems": True}, UnsupportedParameter),
        ({"minItems": 3, "maxItems": 2}, InvalidValue),
    ],
)
def test_limits_that_no_expression_has_are_refused(
    limits: dict[str, Any], refusal: type[RequestError]
) -> None:
    with pytest.raises(refusal, match="minItems"):
        grammar(within({"type": "array", "items": {"type": "null"}, **limits}))
