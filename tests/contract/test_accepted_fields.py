"""Fields without an effect: what is accepted, what is refused by name, and null for all."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from common.http.accepted import PLACES, Accepted
from tests.contract.support import (
    CHAT,
    COMPLETIONS,
    GENERATE,
    MESSAGES,
    Body,
    answer,
    assert_error,
    body_for,
    text_of,
    user,
)
from tests.service_process import Service

OTHERS: dict[str, Any] = dict.fromkeys(("use_beam_search", "early_stopping", "echo"), True)
"""Values beside the accepted ones; a list with an object in it is none for all others."""
OF_OTHER_MODELS = ("`/v1/embeddings`", "`image_url` of a part")
"""Places that the demo model has no use for: see tests/http/test_embeddings.py and tests/images."""
IN_PLACE = {place: fields for place, fields in PLACES.items() if place not in OF_OTHER_MODELS}
ANY: tuple[Any, ...] = ({"some": ["thing"]}, True, 5)
"""Values of a field that takes all."""


def with_fields(place: str, fields: Body) -> tuple[str, Body, str]:
    """Returns a route, a request that has the fields in their place, and the name of the place."""
    function: Body = {"name": "f", "arguments": "{}"}
    call: Body = {"id": "1", "type": "function", "function": function}
    part: Body = {"type": "text", "text": "Hello"}
    message: Body = {"role": "assistant", "content": [part], "tool_calls": [call]}
    tool: Body = {"type": "function", "function": {"name": "f"}}
    body: Body = {"messages": [*user("Hello"), message, *user("More")], "tools": [tool]}
    body |= {"max_tokens": 1, "stream": True, "stream_options": {}, "structured_outputs": {}}
    targets: dict[str, tuple[Body, str]] = {
        "`stream_options`": (body["stream_options"], "stream_options."),
        "`structured_outputs`": (body["structured_outputs"], "structured_outputs."),
        "a message": (message, "messages[1]."),
        "a content part": (part, "messages[1].content[0]."),
        "a tool or its function": (tool, "tools[0]."),
        "a tool call": (call, "messages[1].tool_calls[0]."),
    }
    if place == "`/v1/completions`":
        return COMPLETIONS, body_for(COMPLETIONS, "Hello", max_tokens=1, **fields), ""
    if place.endswith("`/v1/messages`"):
        return MESSAGES, *in_message(place, fields)
    target, prefix = targets.get(place, (body, ""))
    target |= fields
    if "parsed_arguments" in target:
        function["parsed_arguments"] = target.pop("parsed_arguments")
    return CHAT, body, prefix


def in_message(place: str, fields: Body) -> tuple[Body, str]:
    """Returns a request of /v1/messages that has the fields, and the name of the place."""
    block: Body = {"type": "text", "text": "Hello"}
    tool: Body = {"name": "f", "input_schema": {"type": "object"}}
    thinking: Body = {"type": "adaptive"}
    body: Body = {"messages": [{"role": "user", "content": [block]}], "max_tokens": 1}
    body |= {"tools": [tool], "thinking": thinking}
    target, prefix = {
        "a block of `/v1/messages`": (block, "messages[0].content[0]."),
        "a tool of `/v1/messages`": (tool, "tools[0]."),
        "`thinking` of `/v1/messages`": (thinking, "thinking."),
    }.get(place, (body, ""))
    target |= fields
    return body, prefix


def accepted_together(fields: Mapping[str, Accepted]) -> list[Body]:
    """Returns null for all fields, and then values of them all until each accepted one has come."""
    values = {name: ANY if entry.values is None else entry.values for name, entry in fields.items()}
    together = [
        {name: given[turn] for name, given in values.items() if turn < len(given)}
        for turn in range(max(map(len, values.values())))
    ]
    return [dict.fromkeys(fields), *together]


@pytest.mark.parametrize("place", IN_PLACE)
def test_fields_without_an_effect_are_accepted(backend_service: Service, place: str) -> None:
    for given in accepted_together(IN_PLACE[place]):
        path, body, _ = with_fields(place, given)
        response = backend_service.http.post(path, json=body)
        assert response.status_code == 200, (given, response.text)


@pytest.mark.parametrize("place", IN_PLACE)
def test_other_values_are_refused_by_name(backend_service: Service, place: str) -> None:
    for name, entry in IN_PLACE[place].items():
        if entry.values is not None:
            given = OTHERS.get(name, [{"some": "thing"}])
            path, body, prefix = with_fields(place, {name: given})
            response = backend_service.http.post(path, json=body)
            message = assert_error(response, 400, "unsupported_parameter", prefix + name)
            assert entry.refusal in message


@pytest.mark.parametrize("path", [GENERATE, CHAT, COMPLETIONS, "/tokenize"])
def test_null_means_absent_for_any_name(backend_service: Service, path: str) -> None:
    body = body_for(path, "Hello", xyz=None, tools=None, prompt_logprobs=None)
    assert backend_service.http.post(path, json=body).status_code == 200


def test_null_means_absent_within_the_body_too(backend_service: Service) -> None:
    message = {**user("Hello")[0], "xyz": None, "tool_calls": None}
    body: Body = {"messages": [message], "max_tokens": 1, "response_format": {"type": "text"}}
    body["response_format"]["xyz"] = None
    assert backend_service.http.post(CHAT, json=body).status_code == 200


def test_an_entry_has_a_reason_or_a_refusal() -> None:
    for fields in PLACES.values():
        for name, entry in fields.items():
            assert bool(entry.reason) == (entry.values != ()), name
            assert bool(entry.refusal) == (entry.values is not None), name
            json.dumps(entry.values)


def test_a_seed_may_come_where_nothing_is_drawn(backend_service: Service) -> None:
    plain, seeded = (
        text_of(answer(backend_service, CHAT, "Hello", max_tokens=8, temperature=0, seed=seed))
        for seed in (None, 11)
    )
    assert seeded == plain
