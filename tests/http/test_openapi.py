"""The OpenAPI document takes what the service takes, and has all that there is."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from pydantic import ValidationError

from common.http.anthropic.schemas import CountTokensBody, MessagesBody
from common.http.batches.schemas import BatchBody
from common.http.reference.openapi import document
from common.http.reference.operation import OPERATIONS
from common.http.responses.schemas import ResponsesBody
from common.http.routes import ROUTES
from common.http.schemas import (
    ChatBody,
    CompletionBody,
    DetokenizeBody,
    GenerateBody,
    TokenizeBody,
)
from common.http.strict import Strict
from common.settings import Settings

SERVED = [route for route in ROUTES if not route.page]
DOCUMENT = document(SERVED, Settings())
BODIES = (
    GenerateBody,
    ChatBody,
    CompletionBody,
    ResponsesBody,
    TokenizeBody,
    DetokenizeBody,
    MessagesBody,
    CountTokensBody,
    BatchBody,
)
BATCH = {"input_file_id": "a", "endpoint": "/v1/completions", "completion_window": "24h"}
HELLO = [{"role": "user", "content": "Hello"}]
TOOL = {"type": "function", "function": {"name": "f"}}

VALUES: list[tuple[type[Strict], dict[str, Any]]] = [
    (GenerateBody, {"prompt": "a"}),
    (GenerateBody, {"prompt": ""}),
    (GenerateBody, {}),
    (GenerateBody, {"prompt": None}),
    (GenerateBody, {"prompt": "a", "max_tokens": None, "anything": None}),
    (GenerateBody, {"prompt": "a", "anything": 1}),
    (GenerateBody, {"prompt": "a", "store": True}),
    (GenerateBody, {"prompt": "a", "max_tokens": 16.0}),
    (GenerateBody, {"prompt": "a", "max_tokens": "16"}),
    (GenerateBody, {"prompt": "a", "max_tokens": 0}),
    (GenerateBody, {"prompt": "a", "temperature": 2}),
    (GenerateBody, {"prompt": "a", "temperature": 2.1}),
    (GenerateBody, {"prompt": "a", "top_p": 0}),
    (GenerateBody, {"prompt": "a", "stop": ["a", "b"]}),
    (GenerateBody, {"prompt": "a", "stop": 5}),
    (GenerateBody, {"prompt": "a", "logit_bias": {"5": 1.5}}),
    (GenerateBody, {"prompt": "a", "logit_bias": {"5": 101}}),
    (GenerateBody, {"prompt": "a", "response_format": {"type": "text"}}),
    (GenerateBody, {"prompt": "a", "response_format": {"type": "xml"}}),
    (ChatBody, {"messages": HELLO}),
    (ChatBody, {"messages": []}),
    (ChatBody, {"messages": HELLO, "store": True, "modalities": ["text"]}),
    (ChatBody, {"messages": HELLO, "modalities": ["audio"]}),
    (ChatBody, {"messages": HELLO, "prompt_logprobs": 1}),
    (ChatBody, {"messages": HELLO, "stream_options": {"include_usage": None}}),
    (ChatBody, {"messages": HELLO, "stream_options": {"include_obfuscation": 5}}),
    (ChatBody, {"messages": HELLO, "skip_special_tokens": None}),
    (ChatBody, {"messages": HELLO, "skip_special_tokens": "no"}),
    (ChatBody, {"messages": HELLO, "tools": [TOOL], "tool_choice": "required"}),
    (ChatBody, {"messages": HELLO, "tools": [TOOL], "tool_choice": "never"}),
    (ChatBody, {"messages": HELLO, "functions": [{"name": "f"}], "function_call": "auto"}),
    (ChatBody, {"messages": HELLO, "functions": [{"name": "f"}], "function_call": {"name": "f"}}),
    (ChatBody, {"messages": HELLO, "functions": [{"named": "f"}]}),
    (ChatBody, {"messages": [{**HELLO[0], "cache_control": {"type": "x"}, "other": None}]}),
    (ChatBody, {"messages": [{**HELLO[0], "audio": {}}]}),
    (ChatBody, {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]}),
    (ChatBody, {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}),
    (ChatBody, {"messages": [{"role": "king", "content": "a"}]}),
    (CompletionBody, {"prompt": ["a", "b"], "echo": True, "suffix": ""}),
    (CompletionBody, {"prompt": [[1, 2], [3]]}),
    (CompletionBody, {"prompt": [1.5]}),
    (CompletionBody, {"prompt": "a", "n": 129}),
    (ResponsesBody, {"input": "a", "store": False, "reasoning": {"effort": "low"}}),
    (ResponsesBody, {"input": "a", "store": True}),
    (ResponsesBody, {"input": HELLO, "previous_response_id": "resp_1"}),
    (ResponsesBody, {"input": [*HELLO, {"type": "reasoning", "id": "r", "summary": []}]}),
    (ResponsesBody, {"input": [{"type": "item_reference", "id": "r"}]}),
    (TokenizeBody, {"messages": HELLO, "tools": [TOOL]}),
    (DetokenizeBody, {"tokens": [5]}),
    (DetokenizeBody, {"tokens": [-1]}),
    (MessagesBody, {"messages": HELLO, "max_tokens": 5}),
    (MessagesBody, {"messages": HELLO}),
    (MessagesBody, {"messages": HELLO, "max_tokens": 5, "temperature": 1.1}),
    (MessagesBody, {"messages": HELLO, "max_tokens": 5, "metadata": {"user_id": "a"}}),
    (CountTokensBody, {"messages": [{"role": "user", "content": [{"type": "image"}]}]}),
    (CountTokensBody, {"messages": [{"role": "user", "content": [{"type": "text"}]}]}),
    (BatchBody, BATCH),
    (BatchBody, {**BATCH, "metadata": {"a": "b"}, "output_expires_after": None}),
    (BatchBody, {**BATCH, "metadata": {"a": 5}}),
    (BatchBody, {**BATCH, "completion_window": "1h"}),
    (BatchBody, {**BATCH, "output_expires_after": {"seconds": 5}}),
    (CountTokensBody, {"messages": HELLO, "system": [{"type": "text", "text": "a"}]}),
    (CountTokensBody, {"messages": HELLO, "tools": [{"name": "f", "input_schema": {}}]}),
    (CountTokensBody, {"messages": HELLO, "tools": [{"name": "f", "type": "bash_20250124"}]}),
]


def documented(body: type[Strict], value: dict[str, Any]) -> bool:
    """Returns whether the document allows the value as such a body."""
    schema = {"$ref": f"#/components/schemas/{body.__name__}", **DOCUMENT}
    return bool(Draft202012Validator(schema).is_valid(value))


@pytest.mark.parametrize(("body", "value"), VALUES)
def test_the_document_takes_what_the_service_takes(
    body: type[Strict], value: dict[str, Any]
) -> None:
    try:
        body.model_validate(value)
        taken = True
    except ValidationError:
        taken = False
    assert documented(body, value) == taken


def test_the_values_above_are_of_both_kinds() -> None:
    verdicts = [documented(body, value) for body, value in VALUES]
    assert min(verdicts.count(True), verdicts.count(False)) >= 15


def test_every_route_is_in_the_document_and_no_other() -> None:
    assert {f"{route.method} {route.path_pattern}" for route in SERVED} == set(OPERATIONS)
    names = [
        one["operationId"] for methods in DOCUMENT["paths"].values() for one in methods.values()
    ]
    assert len(names) == len(set(names)) == len(SERVED)


@pytest.mark.parametrize("body", BODIES)
def test_every_field_is_described(body: type[Strict]) -> None:
    properties = DOCUMENT["components"]["schemas"][body.__name__]["properties"]
    assert [name for name, field in properties.items() if "description" not in field] == []


def test_only_where_unknown_fields_are_ignored_the_document_takes_them() -> None:
    schemas = document(SERVED, Settings(unknown_fields="ignore"))["components"]["schemas"]
    assert schemas["ChatBody"]["additionalProperties"] is True
    assert DOCUMENT["components"]["schemas"]["ChatBody"]["additionalProperties"] == {"type": "null"}
