"""Codex and Claude Code, whose programs are too large for the test: what they ask is recorded.

The files of recorded/ hold what Codex 0.171.0 and Claude Code 2.1.332 asked with the command lines
of docs/clients.md, in the form that record.py makes: a question, and the result of a tool that was
called.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from tests.contract.support import Body, assert_error, message_of, named_events
from tests.in_process import echo_runtime
from tests.model_directories import demo_copy

RECORDED = Path(__file__).with_name("recorded")
EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
LONG = 65_536
"""Tokens of a context in which the tools of an agent have room."""


def recorded(name: str) -> list[Body]:
    lines = (RECORDED / f"{name}.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


@asynccontextmanager
async def service(folder: Path, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    model = demo_copy(folder, max_position_embeddings=LONG)
    engine_args = {"length": 8}
    _, client = await echo_runtime(
        model, served_model_name="demo", engine_args=engine_args, **settings
    )
    async with client:
        yield client


def response_of(answer: httpx.Response) -> Body:
    """Returns the response that ends a stream, of which each event is one of OpenAI's."""
    events = named_events(answer)
    for event in events:
        EVENTS.validate_python(event)
    value: Body = events[-1]["response"]
    return value


async def test_codex_is_answered_before_and_after_a_call(tmp_path: Path) -> None:
    async with service(tmp_path) as client:
        answers = [await client.post(each["path"], json=each["body"]) for each in recorded("codex")]
    for answer in answers:
        response = response_of(answer)
        assert response["status"] == "completed"
        assert response["output"][-1]["content"][0]["text"]
    first, second = map(response_of, answers)
    assert second["usage"]["input_tokens"] > first["usage"]["input_tokens"]


async def test_codex_with_tools_that_run_elsewhere_is_told_how_it_works(tmp_path: Path) -> None:
    (asked,) = recorded("codex_all_tools")
    async with service(tmp_path) as client:
        answer = await client.post(asked["path"], json=asked["body"])
    message = assert_error(answer, 400, "unsupported_parameter", "tools")
    assert "'namespace' does not run here" in message
    assert "unknown_fields=warn" in message


async def test_the_service_leaves_such_tools_out_where_it_is_set_so(tmp_path: Path) -> None:
    (asked,) = recorded("codex_all_tools")
    async with service(tmp_path, unknown_fields="warn") as client:
        answer = await client.post(asked["path"], json=asked["body"])
    assert response_of(answer)["status"] == "completed"
    assert answer.headers["x-ignored-fields"] == "tools.namespace, tools.web_search"


async def test_claude_code_is_answered_before_and_after_a_call(tmp_path: Path) -> None:
    _, *answered = recorded("claude_code")
    async with service(tmp_path) as client:
        answers = [await client.post(each["path"], json=each["body"]) for each in answered]
    for answer in answers:
        message = message_of(named_events(answer))
        assert message["stop_reason"] == "end_turn"
        assert message["content"]


async def test_claude_code_asks_again_without_a_system_message_between_others(
    tmp_path: Path,
) -> None:
    """It asks first by a form of today's API, and by the plain one after this refusal."""
    first, second, _ = recorded("claude_code")
    assert [message["role"] for message in first["body"]["messages"]] == ["user", "system"]
    assert [message["role"] for message in second["body"]["messages"]] == ["user"]
    async with service(tmp_path) as client:
        answer = await client.post(first["path"], json=first["body"])
    assert_error(answer, 400, "invalid_value", "messages[1].role")


async def test_the_count_of_claude_code_is_that_of_its_answer(tmp_path: Path) -> None:
    asked = recorded("claude_code")[-1]
    shown = {n: v for n, v in asked["body"].items() if n not in ("max_tokens", "stream")}
    async with service(tmp_path) as client:
        answer = await client.post(asked["path"], json={**asked["body"], "stream": False})
        counted = await client.post("/v1/messages/count_tokens", json=shown)
    assert counted.json()["input_tokens"] == answer.json()["usage"]["input_tokens"]
