"""POST /v1/responses, as the openai package asks and reads it."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter

from tests.contract.support import RESPONSES, Body, assert_error, chat, model_card, user
from tests.contract.test_reference import document, faults  # noqa: F401
from tests.contract.test_tools import WEATHER, require_a_model
from tests.service_process import Service

TOOL: Body = {"type": "function", **WEATHER["function"]}
ASKED = "What is the weather in Paris?"
EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


class Named(BaseModel):
    name: str


@pytest.fixture
def client(backend_service: Service) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{backend_service.url}/v1", api_key="none", max_retries=0) as one:
        yield one


def ask(service: Service, text: str | list[Body] = "Hello", /, **fields: Any) -> Response:
    """Returns a greedy answer, held to the types of the openai package."""
    body = {"input": text, "temperature": 0, "max_output_tokens": 8, **fields}
    value = service.http.post(RESPONSES, json=body)
    assert value.status_code == 200, value.text
    return Response.model_validate(value.json(), strict=False)


def stream(service: Service, text: str | list[Body] = "Hello", /, **fields: Any) -> list[Body]:
    """Returns the events of a greedy answer, each held to its type."""
    body = {"input": text, "temperature": 0, "max_output_tokens": 8, "stream": True, **fields}
    response = service.http.post(RESPONSES, json=body)
    assert response.status_code == 200, response.text
    *pieces, end = response.text.split("\n\n")
    assert end == ""
    events: list[Body] = []
    for piece in pieces:
        name, data = piece.split("\n")
        events.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {events[-1]['type']}"
        EVENTS.validate_python(events[-1])
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    return events


def deltas(events: list[Body], of: str) -> str:
    return "".join(e["delta"] for e in events if e["type"] == f"response.{of}.delta")


def without_names(response: Body) -> Body:
    """Returns a response without what differs between two that are alike."""
    output = [{**item, "id": "", "call_id": ""} for item in response["output"]]
    return {**response, "id": "", "created_at": 0, "output": output}


def test_an_answer_is_that_of_chat(backend_service: Service) -> None:
    whole = ask(backend_service, instructions="Be brief.", metadata={"a": "b"})
    messages = [{"role": "system", "content": "Be brief."}, *user("Hello")]
    value = chat(backend_service, messages, max_tokens=8)
    assert whole.output_text == value["choices"][0]["message"]["content"]
    assert whole.usage is not None
    assert whole.usage.input_tokens == value["usage"]["prompt_tokens"]
    assert whole.usage.output_tokens == value["usage"]["completion_tokens"]
    assert (whole.metadata, whole.instructions) == ({"a": "b"}, "Be brief.")
    assert whole.model_dump()["store"] is False


def test_the_events_end_with_the_whole_answer(backend_service: Service) -> None:
    events = stream(backend_service)
    whole = ask(backend_service)
    last = events[-1]
    assert last["type"] == f"response.{whole.status}"
    assert (
        without_names(last["response"])["output"]
        == without_names(whole.model_dump(exclude_unset=True))["output"]
    )
    assert deltas(events, "output_text") == whole.output_text
    names = [event["type"].removeprefix("response.") for event in events]
    assert names[:4] == ["created", "in_progress", "output_item.added", "content_part.added"]
    assert set(names[4:-4]) <= {"output_text.delta"}
    assert names[-4:-1] == ["output_text.done", "content_part.done", "output_item.done"]


def test_a_cut_answer_is_incomplete(backend_service: Service) -> None:
    whole = ask(backend_service, max_output_tokens=1)
    assert whole.status == "incomplete"
    assert whole.incomplete_details is not None
    assert whole.incomplete_details.reason == "max_output_tokens"


def test_the_client_streams_and_creates(client: openai.OpenAI) -> None:
    fields: Body = {"model": "default", "input": "Hello", "temperature": 0, "max_output_tokens": 8}
    created = client.responses.create(**fields)
    with client.responses.stream(**fields) as running:
        text = "".join(each.delta for each in running if each.type == "response.output_text.delta")
    assert text == created.output_text


def test_the_client_parses_a_form(backend_service: Service, client: openai.OpenAI) -> None:
    if model_card(backend_service)["capabilities"]["response_format"] is not True:
        with pytest.raises(openai.BadRequestError, match="not supported"):
            client.responses.parse(model="default", input="Hello", text_format=Named)
        return
    parsed = client.responses.parse(
        model="default", input="Hello", text_format=Named, max_output_tokens=200, temperature=0
    )
    assert parsed.status == "incomplete" or isinstance(parsed.output_parsed, Named)


def test_log_probabilities_come_when_they_are_included(backend_service: Service) -> None:
    capabilities = model_card(backend_service)["capabilities"]
    alternatives = 1 if capabilities["top_logprobs"] is True else 0
    fields: Body = {"include": ["message.output_text.logprobs"], "top_logprobs": alternatives}
    if capabilities["logprobs"] is not True:
        body = {"input": "Hello", **fields}
        assert_error(
            backend_service.http.post(RESPONSES, json=body), 400, "unsupported_parameter", "include"
        )
        return
    part = ask(backend_service, **fields).output[0].content[0]  # type: ignore[union-attr, index]
    assert part.logprobs  # type: ignore[union-attr]
    events = stream(backend_service, **fields)
    streamed = [e for each in events for e in each.get("logprobs", ()) if "delta" in each]
    assert len(streamed) == len(part.logprobs)  # type: ignore[union-attr]


def test_a_called_function_is_an_item_and_its_result_goes_on(backend_service: Service) -> None:
    require_a_model(backend_service)
    fields: Body = {"tools": [TOOL], "max_output_tokens": 200}
    whole = ask(backend_service, ASKED, **fields)
    (call,) = whole.output
    assert call.type == "function_call"
    assert call.call_id.startswith("call_")
    assert (call.name, json.loads(call.arguments)) == ("get_weather", {"city": "Paris"})
    events = stream(backend_service, ASKED, **fields)
    assert deltas(events, "function_call_arguments") == call.arguments
    assert deltas(events, "output_text") == ""
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
    turn = [*user(ASKED), call.model_dump(), result]
    function = {"id": call.call_id, "type": "function", "function": {
        "name": call.name, "arguments": call.arguments}}  # fmt: skip
    messages = [
        *user(ASKED),
        {"role": "assistant", "tool_calls": [function]},
        {"role": "tool", "content": "sunny", "tool_call_id": call.call_id},
    ]
    answer = chat(backend_service, messages, tools=[WEATHER], max_tokens=200)
    assert (
        ask(backend_service, turn, **fields).output_text
        == (answer["choices"][0]["message"]["content"])
    )


REFUSED: list[tuple[Body, str, str]] = [
    ({"store": True}, "unsupported_parameter", "store"),
    ({"previous_response_id": "resp_1"}, "unsupported_parameter", "previous_response_id"),
    ({"background": True}, "unsupported_parameter", "background"),
    ({"tools": [{"type": "web_search"}]}, "unsupported_parameter", "tools"),
    ({"tools": [{"type": "mcp"}]}, "unsupported_parameter", "tools"),
    ({"top_logprobs": 2}, "unsupported_parameter", "top_logprobs"),
    ({"input": [{"type": "item_reference", "id": "a"}]}, "invalid_value", "input[0]"),
    ({"input": []}, "invalid_value", "input"),
    ({"tool_choice": "required"}, "invalid_value", "tool_choice"),
    ({"text": {"format": {"type": "json_schema"}}}, "invalid_value", "text.format"),
    ({"temperature": 3}, "invalid_value", "temperature"),
    ({"max_output_tokens": 10**9}, "context_length_exceeded", "max_output_tokens"),
    ({"nothing_known": 1}, "unknown_parameter", "nothing_known"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "code", "param"), REFUSED)
def test_what_cannot_be_done_is_refused_with_the_reason(
    backend_service: Service, fields: Body, code: str, param: str
) -> None:
    response = backend_service.http.post(RESPONSES, json={"input": "Hello", **fields})
    assert_error(response, 400, code, param)


def test_null_and_what_changes_nothing_pass(backend_service: Service) -> None:
    whole = ask(
        backend_service,
        store=False,
        truncation="auto",
        reasoning={"effort": None, "summary": "auto"},
        include=["reasoning.encrypted_content"],
        tools=[],
        tool_choice="auto",
        text={"format": {"type": "text"}, "verbosity": "low"},
        user=None,
        anything=None,
    )
    assert whole.truncation == "auto"


def test_the_answer_and_its_events_are_as_documented(
    backend_service: Service,
    document: Body,  # noqa: F811
) -> None:
    body: Body = {"input": "Hello", "max_output_tokens": 4, "tools": [TOOL]}
    value = backend_service.http.post(RESPONSES, json=body)
    assert faults(document, RESPONSES, value.json()) == []
    events = stream(backend_service, tools=[TOOL])
    assert [faults(document, RESPONSES, each, "text/event-stream") for each in events] == [
        []
    ] * len(events)
