"""Tools are shown to the model by its template; calls are parsed out of its answer."""

import json
from typing import Any

import pytest

from tests.contract.support import (
    CHAT,
    Body,
    assert_error,
    chat,
    events,
    model_card,
    tokenize,
    user,
)
from tests.service_process import Service, loads_weights

WEATHER: Body = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}
ASKED = user("What is the weather in Paris?")


def the_call(call: Body) -> Body:
    assert call["type"] == "function"
    assert call["id"].startswith("call_")
    function: Body = call["function"]
    assert function["name"] == "get_weather"
    arguments: Body = json.loads(function["arguments"])
    return arguments


def joined(choices: list[Body]) -> list[Body]:
    """Returns the calls of a stream, put together as clients do."""
    calls: list[Body] = []
    for part in (part for choice in choices for part in choice["delta"].get("tool_calls", [])):
        if "id" in part:
            assert part["index"] == len(calls)
            calls.append({**part, "function": {**part["function"]}})
        else:
            calls[part["index"]]["function"]["arguments"] += part["function"]["arguments"]
    return calls


def require_a_model(service: Service) -> None:
    if not loads_weights(service.backend):
        pytest.skip("an echo calls only tools that its prompt calls")


def test_tools_are_in_the_prompt_unless_the_choice_is_none(backend_service: Service) -> None:
    shown = len(tokenize(backend_service, messages=ASKED, tools=[WEATHER]))
    hidden = len(tokenize(backend_service, messages=ASKED))
    assert shown > hidden
    for choice, expected in ((None, shown), ("auto", shown), ("none", hidden)):
        value = chat(backend_service, ASKED, tools=[WEATHER], tool_choice=choice, max_tokens=1)
        assert value["usage"]["prompt_tokens"] == expected


def test_a_called_tool_is_a_message_of_tool_calls(
    backend_service: Service, questions: dict[str, list[Body]]
) -> None:
    require_a_model(backend_service)
    for question in questions["tool"][:3]:
        value = chat(backend_service, question["messages"], tools=question["tools"])
        choice = value["choices"][0]
        assert choice["finish_reason"] == "tool_calls"
        assert choice["message"]["content"] is None
        (call,) = choice["message"]["tool_calls"]
        expected = json.loads(question["answer"].split("\n")[1])
        assert json.loads(call["function"]["arguments"]) == expected["arguments"]
        assert call["function"]["name"] == expected["name"]


def streamed(service: Service, messages: list[Body], **fields: Any) -> list[Body]:
    body = {"messages": messages, "temperature": 0, "stream": True, **fields}
    chunks = events(service.http.post(CHAT, json=body))
    return [choice for chunk in chunks for choice in chunk["choices"]]


def test_a_streamed_call_comes_as_a_delta_and_never_as_text(backend_service: Service) -> None:
    require_a_model(backend_service)
    choices = streamed(backend_service, ASKED, tools=[WEATHER])
    assert choices[-1]["finish_reason"] == "tool_calls"
    assert not any(choice["delta"].get("content") for choice in choices)
    (call,) = joined(choices)
    assert the_call(call) == {"city": "Paris"}


def test_a_result_is_answered_with_text(
    backend_service: Service, questions: dict[str, list[Body]]
) -> None:
    require_a_model(backend_service)
    with_result = [q for q in questions["tool"] if q["messages"][-1]["role"] == "tool"]
    question = with_result[0]
    value = chat(backend_service, question["messages"], tools=question.get("tools") or [WEATHER])
    assert value["choices"][0]["finish_reason"] == "stop"
    assert value["choices"][0]["message"]["content"] == question["answer"]


def followed_up() -> list[Body]:
    function = {"name": "get_weather", "arguments": '{"city": "Paris"}'}
    call = {"id": "call_1", "type": "function", "function": function}
    return [
        *ASKED,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "sunny", "tool_call_id": "call_1"},
    ]


def test_a_conversation_of_calls_and_results_is_rendered(backend_service: Service) -> None:
    ids = tokenize(backend_service, messages=followed_up(), tools=[WEATHER])
    text = backend_service.http.post("/detokenize", json={"tokens": ids}).json()["prompt"]
    assert '{"name": "get_weather", "arguments": {"city": "Paris"}}' in text
    assert "sunny" in text
    value = chat(backend_service, followed_up(), tools=[WEATHER], max_tokens=1)
    assert value["usage"]["prompt_tokens"] == len(ids)


def test_an_echoed_call_is_parsed_with_and_without_streaming(backend_service: Service) -> None:
    """Echo repeats the call in its prompt: the parser sees one on it too."""
    if loads_weights(backend_service.backend):
        pytest.skip("a model answers as it likes")
    spoken = user(
        '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Köln"}}\n</tool_call>'
    )
    value = chat(backend_service, spoken, tools=[WEATHER], max_tokens=400, ignore_eos=True)
    calls = value["choices"][0]["message"]["tool_calls"]
    assert the_call(calls[0]) == {"city": "Köln"}
    choices = streamed(backend_service, spoken, tools=[WEATHER], max_tokens=400, ignore_eos=True)
    parts = joined(choices)
    assert len(parts) == len(calls) > 1
    assert all(the_call(part) == {"city": "Köln"} for part in parts)
    alone = chat(
        backend_service,
        spoken,
        tools=[WEATHER],
        max_tokens=400,
        ignore_eos=True,
        parallel_tool_calls=False,
    )
    assert len(alone["choices"][0]["message"]["tool_calls"]) == 1
    assert "<tool_call>" not in "".join(c["delta"].get("content") or "" for c in choices[:-2])


def test_no_tools_means_no_parsing(backend_service: Service) -> None:
    spoken = user('<tool_call>\n{"name": "get_weather", "arguments": {}}\n</tool_call>')
    message = chat(backend_service, spoken, max_tokens=100)["choices"][0]["message"]
    assert "tool_calls" not in message


@pytest.mark.parametrize("form", [{"guided_choice": ["a"]}, {"json_schema": {"type": "object"}}])
def test_a_forced_call_has_no_other_form(backend_service: Service, form: Body) -> None:
    if model_card(backend_service)["capabilities"]["tool_choice"] is not True:
        pytest.skip("no call can be forced")
    body: Body = {"messages": ASKED, "tools": [WEATHER], "tool_choice": "required", **form}
    assert_error(backend_service.http.post(CHAT, json=body), 400, "invalid_value", *form)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": "sometimes", "tools": [WEATHER]}, "tool_choice"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name"),
        (
            {"tools": [{"type": "function", "function": {"name": "a", "strict": 5}}]},
            "tools[0].function.strict",
        ),
        ({"tools": "get_weather"}, "tools"),
    ],
)
def test_tools_of_a_wrong_shape_are_refused(
    backend_service: Service, fields: Body, param: str
) -> None:
    response = backend_service.http.post(CHAT, json={"messages": ASKED, **fields})
    assert_error(response, 400, "invalid_value", param)


def test_a_choice_that_names_no_given_tool_is_refused(backend_service: Service) -> None:
    choice = {"type": "function", "function": {"name": "get_time"}}
    body = {"messages": ASKED, "tools": [WEATHER], "tool_choice": choice}
    response = backend_service.http.post(CHAT, json=body)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "tool_choice"
