"""A schema is enforced as a whole, or refused by name before the engine sees it."""

import json
from typing import Any

import pytest

from tests.contract.support import CHAT, Body, answer, assert_error, model_card, post, text_of
from tests.service_process import Service

INTEGER = {"type": "integer"}
UNENFORCED: list[tuple[Any, str]] = [
    ({"type": "object", "minProperties": 1}, "minProperties"),
    ({"type": "array", "items": [INTEGER]}, "items"),
    ({"type": "array", "items": INTEGER, "minItems": 50_000}, "minItems"),
    ({"type": "array", "items": INTEGER, "uniqueItems": True}, "uniqueItems"),
    ({"not": {"type": "object"}}, "not"),
    ({"$ref": "#"}, "$ref"),
    ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}, "$ref"),
    ({"allOf": [INTEGER, {"minimum": 3}]}, "allOf"),
    ({"type": "object", "properties": {f"p{n}": INTEGER for n in range(2000)}}, "parts"),
]
MALFORMED: list[Any] = [
    {"type": "nonsense"},
    {"type": "object", "properties": []},
    {"anyOf": []},
    {"$ref": "#/$defs/missing"},
]


def json_schema(schema: Any) -> Body:
    return {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}


@pytest.fixture
def service(backend_service: Service) -> Service:
    reason = model_card(backend_service)["capabilities"]["response_format"]
    if reason is not True:
        pytest.skip(f"response_format: {reason}")
    return backend_service


@pytest.mark.parametrize(("schema", "word"), UNENFORCED, ids=[word for _, word in UNENFORCED])
def test_what_is_not_enforced_is_refused_by_name(service: Service, schema: Any, word: str) -> None:
    refused = post(service, CHAT, response_format=json_schema(schema))
    assert word in assert_error(refused, 400, "unsupported_parameter", "response_format")


@pytest.mark.parametrize("schema", MALFORMED, ids=json.dumps)
def test_what_is_no_schema_is_refused(service: Service, schema: Any) -> None:
    refused = post(service, CHAT, response_format=json_schema(schema))
    assert_error(refused, 400, "invalid_value", "response_format")


def test_nested_models_are_followed(service: Service) -> None:
    place = {"type": "object", "properties": {"kind": {"enum": ["town"]}}, "required": ["kind"]}
    schema = {
        "type": "object",
        "properties": {"from": {"$ref": "#/$defs/Place"}, "to": {"$ref": "#/$defs/Place"}},
        "required": ["from", "to"],
        "$defs": {"Place": place},
    }
    value = answer(service, CHAT, response_format=json_schema(schema), max_tokens=200)
    assert json.loads(text_of(value)) == {"from": {"kind": "town"}, "to": {"kind": "town"}}
