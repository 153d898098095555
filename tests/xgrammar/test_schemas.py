"""The table of what xgrammar enforces is right: each keyword is tried with the library itself."""

import json
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from common.errors import UnsupportedParameter
from common.json_schema import check_schema
from services._xgrammar.schemas import FORMATS, xgrammar_0_2
from tests.xgrammar.support import accepted

SUPPORT = xgrammar_0_2("vLLM")
INTEGER, STRING = {"type": "integer"}, {"type": "string"}
OPEN = {"type": "object", "properties": {"a": INTEGER, "b": INTEGER}}
TREE = {
    "type": "object",
    "properties": {"v": INTEGER, "c": {"type": "array", "items": {"$ref": "#/$defs/n"}}},
    "required": ["v"],
}
TAGGED = [
    {"type": "object", "properties": {"k": {"const": k}, k: INTEGER}, "required": ["k", k]}
    for k in ("x", "y")
]
ENFORCED: list[tuple[Any, list[str]]] = [
    (INTEGER, ["1", "-1", "1.5", '"1"', "01"]),
    ({"type": ["string", "null"]}, ['"a"', "null", "1"]),
    ({"type": ["integer", "string"], "minimum": 3, "maxLength": 2}, ["1", "3", '"ab"', '"abc"']),
    ({"type": "boolean"}, ["true", "1"]),
    ({}, ["1", '{"a": 1}']),
    ({**OPEN, "required": ["b"]}, ['{"b": 1}', '{"a": 1}', '{"a": "x", "b": 1}', "{}"]),
    ({**OPEN, "additionalProperties": STRING},
     ['{"a": 1, "c": "x"}', '{"c": 1}', '{"a": 1, "a": "x"}', '{"a": "x"}']),
    ({**OPEN, "additionalProperties": False}, ['{"a": 1}', '{"a": 1, "c": 1}']),
    ({"type": "object", "additionalProperties": INTEGER}, ['{"a": 1}', '{"a": "x"}']),
    ({"type": "array", "items": INTEGER, "minItems": 2, "maxItems": 3},
     ["[1]", "[1, 2]", "[1, 2, 3, 4]", '[1, "a"]']),
    ({"type": "array", "prefixItems": [INTEGER], "items": STRING}, ['[1, "a"]', '["a"]', "[1, 2]"]),
    ({"type": "array", "prefixItems": [INTEGER], "items": False}, ["[1]", "[1, 2]"]),
    ({"type": "string", "minLength": 2, "maxLength": 3}, ['"a"', '"ab"', '"éé"', '"abcd"']),
    ({"type": "string", "pattern": "^[a-z]{2,3}(-\\d+)?$"}, ['"ab"', '"ab-1"', '"a"', '"ab-x"']),
    ({"type": "string", "pattern": "^.[^a]\\S$"}, ['"bcd"', '"bad"', '"b""', '"b\\"', '"""']),
    ({"type": "string", "format": "date"}, ['"2026-01-31"', '"x"']),
    ({"type": "integer", "minimum": -3, "exclusiveMaximum": 12},
     ["-4", "-3", "0", "11", "12", "100"]),
    ({"type": "number", "exclusiveMinimum": 0, "maximum": 2.5},
     ["0", "0.0", "0.1", "2.5", "2.51", "3", "1e9"]),
    ({"enum": ["a\n", 1, None, True]}, ['"a\\n"', "1", "null", "true", "2", "false"]),
    ({"const": 'a"b', "type": "string"}, ['"a\\"b"', '"a"']),
    ({"anyOf": [INTEGER, {"type": "null"}]}, ["1", "null", '"a"']),
    ({"oneOf": [INTEGER, STRING]}, ["1", '"a"', "null"]),
    ({"oneOf": TAGGED, "discriminator": {"propertyName": "k"}},
     ['{"k": "x", "x": 1}', '{"k": "x", "y": 1}', '{"k": "y"}']),
    ({"allOf": [INTEGER], "title": "A"}, ["1", '"a"']),
    ({"$ref": "#/$defs/n", "$defs": {"n": TREE}},
     ['{"v": 1, "c": [{"v": 2}]}', '{"v": 1, "c": [{"v": "a"}]}', '{"c": []}']),
    ({"type": "object", "properties": {"c": {"$ref": "#"}}}, ['{"c": {"c": {}}}', '{"c": 1}']),
    *[({"type": "string", "format": name}, ['"\\u0001 <"']) for name in sorted(FORMATS)],
]  # fmt: skip
IGNORED: list[tuple[Any, str]] = [
    ({"not": {"type": "object"}}, "{}"),
    ({"type": "string", "not": {"const": "a"}}, '"a"'),
    ({"allOf": [INTEGER, {"minimum": 3}]}, "1"),
    ({"type": "integer", "allOf": [{"minimum": 3}]}, "1"),
    ({**OPEN, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}, "{}"),
    ({"oneOf": [INTEGER, {"type": "number"}]}, "1"),
    ({"type": "array", "items": INTEGER, "uniqueItems": True}, "[1, 1]"),
    ({"type": "array", "items": INTEGER, "contains": {"const": 5}}, "[1]"),
    ({**OPEN, "if": {"required": ["a"]}, "then": {"required": ["b"]}}, '{"a": 1}'),
    ({**OPEN, "dependentRequired": {"a": ["b"]}}, '{"a": 1}'),
    ({**OPEN, "required": ["c"]}, '{"a": 1}'),
    ({"const": 3, "type": "string"}, "3"),
    ({"enum": ["a", 1], "type": "string"}, "1"),
    ({"minimum": 3}, "2"),
    ({"type": "number", "multipleOf": 0.5}, "0.3"),
    ({"$ref": "#/$defs/a", "minimum": 3, "$defs": {"a": INTEGER}}, "1"),
    ({"type": "string", "pattern": "^a+$", "maxLength": 2}, '"aaaa"'),
    ({"type": "string", "format": "email", "maxLength": 3}, '"a@b.cc"'),
    ({"type": "string", "pattern": "^(?!a).*$"}, '"a"'),
    ({"type": "string", "pattern": '^"$'}, '"""'),
    ({"type": "string", "maxLength": -1}, '""'),
]
FAILING: list[Any] = [
    {"type": "object", "minProperties": 1},
    {"type": "array", "items": [INTEGER]},
    {"type": "array", "minItems": 2},
    {"type": "integer", "minimum": 2.5},
    {"type": "integer", "minimum": 10**19},
    {"type": "object", "properties": {"a": False}},
    {"type": "string", "pattern": "^(a|b)\\1$"},
    {"$ref": "#/$defs/a~1b", "$defs": {"a/b": INTEGER}},
]


def is_valid(schema: Any, document: str) -> bool:
    try:
        return bool(jsonschema.Draft202012Validator(schema).is_valid(json.loads(document)))
    except ValueError:
        return False


def test_of_what_passes_no_document_that_violates_it_is_accepted() -> None:
    for (schema, documents), answers in zip(ENFORCED, accepted(ENFORCED), strict=True):
        check_schema(SUPPORT, schema, "response_format")
        assert answers is not None, schema
        by_format = "format" in schema
        for document, answer in zip(documents, answers, strict=True):
            # JSON Schema's own check of formats is off by default.
            assert not answer or is_valid(schema, document), (schema, document)
            assert not by_format or answer == ("2026" in document), (schema, document)
        assert by_format or (any(answers) and not all(answers)) or not schema, schema


def test_what_is_refused_would_be_ignored_or_fail() -> None:
    ignored = accepted([(schema, [document]) for schema, document in IGNORED])
    for (schema, document), answers in zip(IGNORED, ignored, strict=True):
        assert answers == [True], (schema, document)
        assert not is_valid(schema, document) or schema == {"type": "string", "maxLength": -1}
    assert accepted([(schema, []) for schema in FAILING]) == [None] * len(FAILING)


@pytest.mark.parametrize("schema", [*(schema for schema, _ in IGNORED), *FAILING], ids=json.dumps)
def test_what_would_be_ignored_or_fail_is_refused(schema: Any) -> None:
    with pytest.raises(UnsupportedParameter) as refused:
        check_schema(SUPPORT, schema, "response_format")
    assert refused.value.param == "response_format"


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"anyOf": [{"$ref": "#"}, INTEGER]},
        {"$ref": "#/$defs/a", "$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}]}}},
        {"type": "array", "items": INTEGER, "minItems": 50_000},
        {"type": "object", "properties": {f"p{n}": INTEGER for n in range(300)}},
        {"type": "array", "items": {"type": "string", "maxLength": 10_000}},
        {"anyOf": [{"type": "string", "maxLength": 100 + n} for n in range(4)]},
        {"type": "string", "pattern": "^([a-z]{1,50}-){1,50}$"},
        {"enum": [f"value {n}" for n in range(20_000)]},
    ],
    ids=lambda schema: json.dumps(schema)[:40],
)
def test_what_costs_a_compiler_too_much_is_refused(schema: Any) -> None:
    with pytest.raises(UnsupportedParameter):
        check_schema(SUPPORT, schema, "response_format")
