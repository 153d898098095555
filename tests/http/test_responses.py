"""Responses over an echo that says what it is told: reasoning, calls, items, and broken streams."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from common.http.responses.schemas import ResponsesBody
from common.http.responses.translation import messages
from tests.contract.support import Body
from tests.http.test_reasoning import CALL, SAID, THOUGHT, UNMARKED, WRITTEN
from tests.in_process import echo_runtime
from tests.model_directories import demo_copy

PATH = "/v1/responses"
TOOL = {"type": "function", "name": "get_weather", "parameters": {"type": "object"}}
EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def events_of(response: httpx.Response) -> list[Body]:
    pieces = response.text.split("\n\n")[:-1]
    events: list[Body] = [json.loads(piece.split("data: ", 1)[1]) for piece in pieces]
    for number, event in enumerate(events):
        EVENTS.validate_python(event)
        assert event["sequence_number"] == number
    return events


async def both(tmp_path: Path, text: str, **fields: Any) -> tuple[Response, list[Body]]:
    """Returns the whole answer of an echo that says `text`, and the events of the streamed one."""
    file = tmp_path / "template.jinja"
    file.write_text(UNMARKED)
    runtime, client = await echo_runtime(
        demo_copy(tmp_path / "model"), chat_template=str(file), tool_format="hermes"
    )
    length = len(await runtime.tokenizer.encode(text, add_special_tokens=False))
    body = {"input": text, "max_output_tokens": length, **fields}
    async with client:
        whole = await client.post(PATH, json=body)
        streamed = await client.post(PATH, json={**body, "stream": True})
    assert whole.status_code == 200, whole.text
    return Response.model_validate(whole.json()), events_of(streamed)


def deltas(events: list[Body], kind: str) -> str:
    return "".join(e["delta"] for e in events if e["type"] == f"response.{kind}.delta")


def shapes(output: list[Any]) -> list[Body]:
    return [{**item, "id": "", "call_id": ""} for item in output]


async def test_reasoning_is_an_item_before_the_message(tmp_path: Path) -> None:
    whole, events = await both(tmp_path, WRITTEN)
    thought, said = whole.output
    assert thought.type == "reasoning"
    assert [part.text for part in thought.content or ()] == [THOUGHT]
    assert said.type == "message"
    assert whole.output_text == SAID
    assert deltas(events, "reasoning_text") == THOUGHT
    assert deltas(events, "output_text") == SAID
    assert whole.usage is not None
    assert whole.usage.output_tokens_details.reasoning_tokens > 0
    last = events[-1]["response"]["output"]
    assert shapes(last) == shapes([item.model_dump(exclude_unset=True) for item in whole.output])


async def test_text_and_two_calls_are_items_in_their_order(tmp_path: Path) -> None:
    whole, events = await both(tmp_path, f"Well: {CALL}\n{CALL}", tools=[TOOL])
    assert [item.type for item in whole.output] == ["message", "function_call", "function_call"]
    done = [e["item"] for e in events if e["type"] == "response.output_item.done"]
    assert done == events[-1]["response"]["output"]
    assert [item.get("arguments") for item in done[1:]] == ['{"city": "Rome"}'] * 2
    whole, _ = await both(tmp_path, f"{CALL}\n{CALL}", tools=[TOOL], parallel_tool_calls=False)
    assert [item.type for item in whole.output] == ["function_call"]


async def test_a_malformed_call_is_text(tmp_path: Path) -> None:
    whole, events = await both(tmp_path, '<tool_call>{"name": get}</tool_call>', tools=[TOOL])
    assert [item.type for item in whole.output] == ["message"]
    assert deltas(events, "output_text") == whole.output_text != ""


async def test_only_the_allowed_tools_are_called(tmp_path: Path) -> None:
    other = {**TOOL, "name": "other"}
    named = {"type": "function", "name": "other"}
    choice: Body = {"type": "allowed_tools", "mode": "auto", "tools": [named]}
    whole, _ = await both(tmp_path, CALL, tools=[TOOL, other], tool_choice=choice)
    assert [item.type for item in whole.output] == ["message"]


async def test_a_stream_that_breaks_off_ends_as_failed(tmp_path: Path) -> None:
    arguments = {"failure": "midstream", "fail_after": 5}
    _, client = await echo_runtime(demo_copy(tmp_path / "model"), engine_args=arguments)
    async with client:
        response = await client.post(PATH, json={"input": "Hello there", "stream": True})
    events = events_of(response)
    error, failed = events[-2:]
    assert (error["type"], failed["type"]) == ("error", "response.failed")
    assert failed["response"]["status"] == "failed"
    assert failed["response"]["error"]["message"] == error["message"]


@pytest.mark.parametrize("setting", ["warn", "refuse"])
async def test_tools_of_the_client_s_own_are_unknown_fields(tmp_path: Path, setting: Any) -> None:
    _, client = await echo_runtime(demo_copy(tmp_path / "model"), unknown_fields=setting)
    body: Body = {"input": "Hi", "max_output_tokens": 2}
    async with client:
        search, mcp = [
            await client.post(PATH, json={**body, "tools": [{"type": kind}]})
            for kind in ("web_search", "mcp")
        ]
    assert mcp.status_code == 400
    assert search.status_code == (200 if setting == "warn" else 400)
    if setting == "warn":
        assert search.headers["x-ignored-fields"] == "tools.web_search"
        assert search.json()["tools"] == []


def test_items_of_one_turn_become_one_message() -> None:
    thought = {"type": "reasoning", "id": "r", "summary": [], "encrypted_content": "x"}
    spoken = [{"type": "output_text", "text": "Wait.", "annotations": [], "logprobs": []}]
    items = [
        {"role": "developer", "content": [{"type": "input_text", "text": "Be brief."}]},
        {"role": "user", "content": "Weather?"},
        {**thought, "content": [{"type": "reasoning_text", "text": "Hm."}]},
        {"type": "message", "id": "m", "role": "assistant", "status": None, "content": spoken},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "sunny"},
    ]
    body = ResponsesBody.model_validate({"input": items, "instructions": "Help."})
    chat = messages(body)
    assert [m.role for m in chat] == ["system", "developer", "user", "assistant", "tool"]
    (said,) = [message for message in chat if message.role == "assistant"]
    assert (said.reasoning, said.content) == ("Hm.", "Wait.")
    assert [call.id for call in said.tool_calls or ()] == ["c"]
    assert chat[-1].tool_call_id == "c"


async def test_a_part_without_its_text_is_refused(tmp_path: Path) -> None:
    _, client = await echo_runtime(demo_copy(tmp_path / "model"))
    message = {"role": "user", "content": [{"type": "input_text"}]}
    async with client:
        answer = await client.post(PATH, json={"input": [message], "max_output_tokens": 2})
    assert answer.status_code == 400
    assert "a part of type 'input_text' needs 'text'" in answer.json()["error"]["message"]
