"""Calls that are made to come, by a grammar of what a model writes by itself."""

import json
from typing import Any, Literal

import httpx
import pytest
from openai import pydantic_function_tool
from pydantic import BaseModel

from tests.contract.support import CHAT, Body, assert_error, events, model_card
from tests.contract.test_tools import ASKED, WEATHER, joined, the_call
from tests.service_process import Service, double

FORCED = ["required", {"type": "function", "function": {"name": "get_weather"}}]


def forced(service: Service, **fields: Any) -> httpx.Response:
    """Skips where calls cannot be forced."""
    reason = model_card(service)["capabilities"]["tool_choice"]
    if reason is not True:
        pytest.skip(f"tool_choice: {reason}")
    body = {"messages": ASKED, "tools": [WEATHER], "tool_choice": "required", "temperature": 0}
    return service.http.post(CHAT, json={**body, **fields})


@pytest.mark.parametrize("choice", FORCED)
def test_a_forced_call_works_or_is_refused_as_the_capabilities_say(
    backend_service: Service, choice: object
) -> None:
    reason = model_card(backend_service)["capabilities"]["tool_choice"]
    body = {"messages": ASKED, "tools": [WEATHER], "tool_choice": choice, "temperature": 0}
    response = backend_service.http.post(CHAT, json=body)
    if reason is not True:
        assert reason in assert_error(response, 400, "unsupported_parameter", "tool_choice")
        return
    assert response.status_code == 200, response.text
    answer = response.json()["choices"][0]
    assert answer["finish_reason"] == "tool_calls"
    assert answer["message"]["content"] is None
    (call,) = answer["message"]["tool_calls"]
    assert isinstance(the_call(call)["city"], str)


def test_a_forced_call_is_the_one_that_the_model_makes_of_itself(
    backend_service: Service, questions: dict[str, list[Body]]
) -> None:
    if double(backend_service.backend) is not None:
        pytest.skip("a double's grammar decides the whole answer, without the model")
    for question in questions["tool"]:
        if question["messages"][-1]["role"] == "tool":
            continue
        fields = {"messages": question["messages"], "tools": question["tools"]}
        response = forced(backend_service, **fields)
        assert response.status_code == 200, response.text
        answer = response.json()["choices"][0]
        calls = answer["message"]["tool_calls"]
        written = [json.loads(line) for line in question["answer"].split("\n")[1::3]]
        assert [call["function"]["name"] for call in calls] == [call["name"] for call in written]
        assert [json.loads(call["function"]["arguments"]) for call in calls] == [
            call["arguments"] for call in written
        ]
        assert answer["finish_reason"] == "tool_calls"


def test_a_forced_call_streams_as_a_call_alone(backend_service: Service) -> None:
    body = {"stream": True, "parallel_tool_calls": False}
    response = forced(backend_service, **body)
    choices = [choice for chunk in events(response) for choice in chunk["choices"]]
    assert not any(choice["delta"].get("content") for choice in choices)
    (call,) = joined(choices)
    assert isinstance(the_call(call)["city"], str)


def test_a_forced_call_that_is_cut_is_a_call(backend_service: Service) -> None:
    whole = forced(backend_service).json()
    (uncut,) = whole["choices"][0]["message"]["tool_calls"]
    lengths = set()
    for max_tokens in range(1, whole["usage"]["completion_tokens"], 2):
        answer = forced(backend_service, max_tokens=max_tokens).json()["choices"][0]
        assert answer["finish_reason"] == "length"
        assert not answer["message"]["content"]
        for call in answer["message"].get("tool_calls", ()):
            arguments = call["function"]["arguments"]
            assert uncut["function"]["arguments"].startswith(arguments)
            lengths.add(len(arguments))
    assert len(lengths) > 1


def test_a_forced_call_has_nested_models(backend_service: Service) -> None:
    class Place(BaseModel):
        kind: Literal["town", "city"]

    class Journey(BaseModel):
        start: Place
        end: Place | None

    tool = pydantic_function_tool(Journey, name="travel")
    response = forced(backend_service, tools=[tool], max_tokens=200)
    assert response.status_code == 200, response.text
    (call,) = response.json()["choices"][0]["message"]["tool_calls"]
    assert call["function"]["name"] == "travel"
    Journey.model_validate_json(call["function"]["arguments"])


def with_schema(schema: Body) -> Body:
    return {"type": "function", "function": {"name": "get_time", "parameters": schema}}


def test_a_schema_that_is_not_enforced_is_refused_where_a_call_is_forced(
    backend_service: Service,
) -> None:
    path = "tools[1].function.parameters"
    tools = [WEATHER, with_schema({"type": "object", "minProperties": 1})]
    message = assert_error(forced(backend_service, tools=tools), 400, "unsupported_parameter", path)
    assert "minProperties" in message
    tools = [WEATHER, with_schema({"type": "object", "properties": []})]
    assert_error(forced(backend_service, tools=tools), 400, "invalid_value", path)


def test_strict_is_enforced_or_refused(backend_service: Service) -> None:
    """With a tool_choice of auto the call of a strict tool follows its schema."""
    reason = model_card(backend_service)["capabilities"]["tool_choice"]
    chosen = {"type": "object", "properties": {"city": {"const": "Oslo"}}, "required": ["city"]}
    strict = {"name": "get_weather", "strict": True, "parameters": chosen}
    body = {"messages": ASKED, "tools": [{"type": "function", "function": strict}]}
    response = backend_service.http.post(CHAT, json={**body, "temperature": 0})
    if reason is not True:
        path = "tools[0].function.strict"
        assert reason in assert_error(response, 400, "unsupported_parameter", path)
        return
    assert response.status_code == 200, response.text
    if double(backend_service.backend) is None:
        (call,) = response.json()["choices"][0]["message"]["tool_calls"]
        assert the_call(call) == {"city": "Oslo"}
