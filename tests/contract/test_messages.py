"""POST /v1/messages and /v1/messages/count_tokens."""

import json

import pytest

from tests.contract.support import (
    COUNT_TOKENS,
    MESSAGES,
    Body,
    answer,
    assert_error,
    chat,
    message_of,
    model_card,
    named_events,
    post,
    text_of,
    tokenize,
    user,
)
from tests.contract.test_tools import ASKED, WEATHER, require_a_model
from tests.service_process import Service

TOOL: Body = {
    "name": WEATHER["function"]["name"],
    "description": WEATHER["function"]["description"],
    "input_schema": WEATHER["function"]["parameters"],
}


def test_a_message_says_what_a_chat_says(backend_service: Service) -> None:
    fields: Body = {"max_tokens": 12, "temperature": 0}
    value = answer(backend_service, MESSAGES, **fields)
    reply = chat(backend_service, user("Hello"), **fields)
    assert value["content"] == [{"type": "text", "text": text_of(reply)}]
    assert (value["type"], value["role"]) == ("message", "assistant")
    assert value["model"] == model_card(backend_service)["id"]
    reason = {"stop": "end_turn", "length": "max_tokens"}[reply["choices"][0]["finish_reason"]]
    assert (value["stop_reason"], value["stop_sequence"]) == (reason, None)
    usage = value["usage"]
    assert usage["output_tokens"] == reply["usage"]["completion_tokens"]
    read = usage["input_tokens"] + usage.get("cache_read_input_tokens", 0)
    assert read == reply["usage"]["prompt_tokens"]


def test_a_stream_is_the_whole_message(backend_service: Service) -> None:
    fields: Body = {"max_tokens": 12, "temperature": 0}
    whole = answer(backend_service, MESSAGES, **fields)
    values = named_events(post(backend_service, MESSAGES, stream=True, **fields))
    streamed = message_of(values)
    assert values[0]["message"].keys() == whole.keys()
    for name in ("content", "stop_reason", "stop_sequence", "model"):
        assert streamed[name] == whole[name]
    assert streamed["usage"]["output_tokens"] == whole["usage"]["output_tokens"]


def test_a_stop_sequence_is_named(backend_service: Service) -> None:
    fields: Body = {"max_tokens": 12, "temperature": 0}
    (block,) = answer(backend_service, MESSAGES, **fields)["content"]
    stop = block["text"][2:4]
    value = answer(backend_service, MESSAGES, stop_sequences=["Xylophon", stop], **fields)
    assert (value["stop_reason"], value["stop_sequence"]) == ("stop_sequence", stop)
    shown = "".join(part["text"] for part in value["content"])
    assert shown == block["text"][: block["text"].index(stop)]


def test_a_called_tool_is_a_block_with_its_input(backend_service: Service) -> None:
    require_a_model(backend_service)
    body: Body = {"messages": ASKED, "tools": [TOOL], "max_tokens": 100, "temperature": 0}
    value = backend_service.http.post(MESSAGES, json=body).json()
    (call,) = value["content"]
    assert (call["type"], call["name"], call["input"]) == (
        "tool_use",
        "get_weather",
        {"city": "Paris"},
    )
    assert value["stop_reason"] == "tool_use"
    streamed = message_of(
        named_events(backend_service.http.post(MESSAGES, json={**body, "stream": True}))
    )
    assert streamed["content"] == [{**call, "id": streamed["content"][0]["id"]}]
    assert streamed["stop_reason"] == "tool_use"


def test_a_forced_call_follows_the_schema_of_its_input(backend_service: Service) -> None:
    choice: Body = {"type": "tool", "name": "get_weather", "disable_parallel_tool_use": True}
    body: Body = {"messages": ASKED, "tools": [TOOL], "tool_choice": choice, "max_tokens": 100}
    response = backend_service.http.post(MESSAGES, json=body)
    if model_card(backend_service)["capabilities"]["tool_choice"] is not True:
        assert_error(response, 400, "unsupported_parameter", "tool_choice")
        return
    (call,) = response.json()["content"]
    assert isinstance(call["input"]["city"], str)


@pytest.mark.parametrize("tools", [None, [TOOL]])
def test_the_count_is_that_of_the_prompt(
    backend_service: Service, tools: list[Body] | None
) -> None:
    messages = [
        *user("Hello"),
        {"role": "assistant", "content": [{"type": "text", "text": "Hi"}]},
        *user("How are you?"),
    ]
    body: Body = {"messages": messages, "system": "Be kind.", "tools": tools}
    count = backend_service.http.post(COUNT_TOKENS, json=body).json()
    system = {"role": "system", "content": "Be kind."}
    ids = tokenize(
        backend_service, messages=[system, *messages], tools=None if tools is None else [WEATHER]
    )
    assert count == {"input_tokens": len(ids)}
    usage = backend_service.http.post(MESSAGES, json={**body, "max_tokens": 1}).json()["usage"]
    assert usage["input_tokens"] + usage.get("cache_read_input_tokens", 0) == len(ids)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", 1.1),
        ("max_tokens", None),
        ("top_k", -1),
        ("stop_sequences", "a"),
        ("tool_choice", {"type": "tool"}),
        ("messages", [{"role": "system", "content": "a"}]),
    ],
)
def test_a_bad_field_is_an_error_of_this_api(
    backend_service: Service, field: str, value: object
) -> None:
    response = post(backend_service, MESSAGES, **{field: value})
    param = "messages[0].role" if field == "messages" else field
    assert_error(response, 400, "invalid_value", param)
    assert json.loads(response.text)["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("path", [MESSAGES, COUNT_TOKENS])
def test_another_model_is_not_found(backend_service: Service, path: str) -> None:
    response = post(backend_service, path, model="claude")
    assert_error(response, 404, "model_not_found", "model")
    assert response.json()["error"]["type"] == "not_found_error"
