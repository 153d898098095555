"""What the engines take of a JSON schema, and refuse by name."""

import json
import re
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import InvalidValue, RequestError, UnsupportedParameter
from common.json_schema import SchemaSupport, check_schema
from services._mlc.request import SCHEMAS as MLC
from services._mlc.request import grammar_schema
from services._tgi.request import ANY_OBJECT, grammar
from services._tgi.request import SCHEMAS as TGI
from services._vllm.arguments import grammar_gaps
from services._xgrammar.schemas import xgrammar_0_1, xgrammar_0_2

ENGINES = {"tgi": TGI, "mlc": MLC}
OLD_XGRAMMAR = xgrammar_0_1("TensorRT-LLM")
NEW_XGRAMMAR = xgrammar_0_2("vLLM")
PARAM = "response_format"
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
        check_schema(ENGINES[engine], schema, PARAM)
    (other,) = ENGINES.keys() - {engine}
    check_schema(ENGINES[other], schema, PARAM)


BOMB = {f"d{level}": {"anyOf": [{"$ref": f"#/$defs/d{level + 1}"}] * 4} for level in range(12)} | {
    "d12": {"type": "null"}
}
IGNORED: list[tuple[dict[str, Any], str]] = [
    (within({"type": "integer", "minimum": 5}), "'minimum' beside 'integer'"),
    (within({"type": "string", "pattern": "a+"}), "'pattern'"),
    (within({"type": "array", "uniqueItems": True}), "'uniqueItems'"),
    (within({"type": "object", "minProperties": 1}), "'minProperties'"),
    (within({"oneOf": [{"type": "string"}]}), "'oneOf'"),
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
    (within({"$ref": "#/$defs/d0"}, **{"$defs": BOMB}), "cost of 1000 parts"),
    (within(json.loads('{"type":"array","items":' * 40 + '{"type":"null"}' + "}" * 40)), "levels"),
    ({"type": "object", "properties": {f"p{n}": {"type": "null"} for n in range(40)}}, "parts"),
]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("schema", "word"), IGNORED, ids=[word for _, word in IGNORED])
def test_what_would_be_ignored_is_refused_with_what_is_honoured(
    engine: str, schema: dict[str, Any], word: str
) -> None:
    with pytest.raises(UnsupportedParameter, match=word) as refused:
        check_schema(ENGINES[engine], schema, PARAM)
    assert refused.value.param == PARAM
    assert "it enforces $ref, additionalProperties, anyOf" in refused.value.message


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
        check_schema(ENGINES[engine], schema, PARAM)
    assert refused.value.param == PARAM


WORDS = [
    *("type", "properties", "required", "additionalProperties", "items", "prefixItems", "minItems"),
    *("anyOf", "oneOf", "allOf", "$ref", "$defs", "const", "enum", "pattern", "format", "minimum"),
    *("maxLength", "title", "not"),
]
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False)
NAMES = st.sampled_from(["string", "object", "array", "integer", "#", "#/$defs/a", "date", "^a$"])


def nested(part: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(part, max_size=3) | st.dictionaries(st.sampled_from([*WORDS, "a"]), part)


@settings(max_examples=300, deadline=None)
@given(
    schema=st.dictionaries(
        st.sampled_from(WORDS), st.recursive(LEAVES | NAMES, nested, max_leaves=8), max_size=4
    ),
    support=st.sampled_from([TGI, MLC, OLD_XGRAMMAR, NEW_XGRAMMAR]),
)
def test_any_json_is_taken_or_refused(schema: dict[str, Any], support: SchemaSupport) -> None:
    with suppress(RequestError):
        assert 0 < check_schema(support, schema, PARAM) <= support.limits.parts


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
    items = {"type": "array", "items": {"type": "null"}, **limits}
    with pytest.raises(refusal, match="minItems"):
        check_schema(TGI, within(items), PARAM)


@pytest.mark.parametrize(
    ("part", "word"),
    [
        ({"type": "integer", "minimum": 3}, "'minimum' beside 'integer'"),
        ({"type": "string", "pattern": "a"}, "'pattern' beside 'string'"),
        ({"enum": ["a\n"]}, "control characters"),
        ({"type": "object", "properties": {"a": {}}, "additionalProperties": True}, "beside 'prop"),
    ],
)
def test_an_older_xgrammar_enforces_less(part: dict[str, Any], word: str) -> None:
    """Tried with release 0.1.32: it accepts documents that violate each of these."""
    with pytest.raises(UnsupportedParameter, match=word):
        check_schema(OLD_XGRAMMAR, within(part), PARAM)


def test_an_older_xgrammar_enforces_models_and_references() -> None:
    tree = {"type": "array", "items": {"$ref": "#/$defs/Tree"}}
    check_schema(OLD_XGRAMMAR, within({"$ref": "#/$defs/Tree"}, **{"$defs": {"Tree": tree}}), PARAM)
    check_schema(OLD_XGRAMMAR, within({"type": ["string", "null"], "title": "T"}), PARAM)


@pytest.mark.parametrize(
    ("config", "refused"),
    [(None, False), ({"backend": "xgrammar"}, False), ({"backend": "guidance"}, True)],
)
def test_with_another_compiler_vllm_takes_no_schema(config: Any, refused: bool) -> None:
    arguments = {} if config is None else {"structured_outputs_config": config}
    assert ("response_format" in grammar_gaps(arguments)) == refused
