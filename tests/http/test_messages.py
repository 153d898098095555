"""Anthropic's bodies become chats, and a chat's answers become blocks, streamed or not."""

import json
from pathlib import Path
from typing import Any

import pytest

from common.errors import InvalidValue
from common.http.anthropic.frames import read_arguments
from common.http.anthropic.schemas import CountTokensBody
from common.http.anthropic.translation import chat_body
from common.http.messages import for_template
from tests.contract.support import MESSAGES, Body, assert_error, message_of, named_events, user
from tests.http.test_reasoning import CALL, SAID, SWITCHED, THOUGHT, UNMARKED, WRITTEN, Post, echo

WEATHER = {"name": "get_weather", "input_schema": {"type": "object"}}
USED = {"type": "tool_use", "id": "1", "name": "get_weather", "input": {"city": "Rome"}}
RESULT = {"type": "tool_result", "tool_use_id": "1", "content": "sunny"}
AFTER_CALL = {"role": "assistant", "content": [USED]}


def text(value: str) -> Body:
    return {"type": "text", "text": value}


def translated(*messages: Body, **fields: Any) -> list[Body]:
    body = CountTokensBody.model_validate({"messages": list(messages), **fields})
    return for_template(chat_body(body).messages)


async def answered(post: Post, written: str, **fields: Any) -> Body:
    """Returns the message, which a stream of it has to have as well."""
    body = {"messages": user(written), **fields}
    whole = await post(MESSAGES, body)
    assert whole.status_code == 200, whole.text
    value: Body = whole.json()
    streamed = message_of(named_events(await post(MESSAGES, {**body, "stream": True})))
    for one in (value, streamed):
        del one["id"]
        for block in one["content"]:
            block.pop("id", None)
    assert streamed == value
    return value


@pytest.mark.parametrize("tokens_per_chunk", [1, 3, 50])
async def test_reasoning_is_a_block_before_the_text(tmp_path: Path, tokens_per_chunk: int) -> None:
    async with echo(tmp_path, engine_args={"tokens_per_chunk": tokens_per_chunk}) as post:
        value = await answered(post, WRITTEN)
        hidden = await answered(post, WRITTEN, thinking={"type": "adaptive", "display": "omitted"})
    thinking = {"type": "thinking", "thinking": THOUGHT, "signature": ""}
    assert value["content"] == [thinking, text(SAID)]
    assert hidden["content"] == [text(SAID)]


@pytest.mark.parametrize("tokens_per_chunk", [1, 50])
async def test_a_call_is_a_block_with_its_input(tmp_path: Path, tokens_per_chunk: int) -> None:
    async with echo(
        tmp_path, tool_format="hermes", engine_args={"tokens_per_chunk": tokens_per_chunk}
    ) as post:
        value = await answered(post, f"Well.\n{CALL}\n{CALL}", tools=[WEATHER])
    said, *calls = value["content"]
    assert said["text"].strip() == "Well."
    expected = {"type": "tool_use", "name": "get_weather", "input": {"city": "Rome"}}
    assert calls == [expected, expected]


async def test_a_call_that_is_cut_has_what_there_is_of_its_input(tmp_path: Path) -> None:
    async with echo(tmp_path, tool_format="hermes") as post:
        value = await answered(post, CALL, tools=[WEATHER], max_tokens=30)
    assert value["stop_reason"] == "max_tokens"


async def test_a_malformed_call_is_text(tmp_path: Path) -> None:
    malformed = CALL.replace('{"city": "Rome"}', '{"city": Rome}')
    async with echo(tmp_path, tool_format="hermes") as post:
        value = await answered(post, malformed, tools=[WEATHER])
    assert [block["type"] for block in value["content"]] == ["text"]
    assert "Rome" in value["content"][0]["text"]


@pytest.mark.parametrize(
    ("written", "cut", "expected"),
    [
        ("", False, {}),
        ('{"a": 1}', False, {"a": 1}),
        ('{"a": 1, "b', False, None),
        ('{"a": 1, "b', True, {"a": 1}),
        ("[1]", False, None),
        ("{a: 1}", True, None),
    ],
)
def test_arguments_are_an_object_or_none(written: str, cut: bool, expected: Body | None) -> None:
    assert read_arguments(written, cut=cut) == expected


async def test_thinking_sets_the_variable_of_the_template(tmp_path: Path) -> None:
    async with echo(tmp_path, f"{{{{ messages[-1].content }}}}{SWITCHED}") as post:
        on = await answered(post, "Hello", thinking={"type": "enabled", "budget_tokens": 1024})
        off = await answered(post, "Hello", thinking={"type": "disabled"})
    assert on["content"][0]["type"] == "thinking"
    assert off["content"][0]["type"] == "text"


async def test_a_model_that_always_reasons_refuses_not_to(tmp_path: Path) -> None:
    async with echo(tmp_path, UNMARKED) as post:
        body = {"messages": user("Hello"), "thinking": {"type": "disabled"}}
        message = assert_error(await post(MESSAGES, body), 400, "unsupported_parameter", "thinking")
    assert message.startswith("thinking cannot turn reasoning off")


def test_blocks_become_the_messages_of_a_chat() -> None:
    assert translated(
        *user("Weather?"),
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm."}, USED]},
        {"role": "user", "content": [RESULT, text("And "), text("now?")]},
        system=[text("Be brief.")],
    ) == [
        {"role": "system", "content": [text("Be brief.")]},
        {"role": "user", "content": "Weather?"},
        {
            "role": "assistant",
            "content": "",
            "reasoning": "Hm.",
            "reasoning_content": "Hm.",
            "tool_calls": [
                {
                    "id": "1",
                    "type": "function",
                    "function": {"name": "get_weather", "arguments": {"city": "Rome"}},
                }
            ],
        },
        {"role": "tool", "content": "sunny", "tool_call_id": "1"},
        {"role": "user", "content": [text("And "), text("now?")]},
    ]


def test_a_failed_call_is_shown_as_an_error() -> None:
    result = {**RESULT, "content": [text("no "), text("net")], "is_error": True}
    (_, _, message) = translated(*user("Hi"), AFTER_CALL, {"role": "user", "content": [result]})
    assert message["content"] == "Error: no net"


def test_a_call_without_its_result_is_refused() -> None:
    with pytest.raises(InvalidValue, match="tool_result has to follow"):
        translated(*user("Hi"), AFTER_CALL)


def test_the_answer_goes_on_with_the_assistants_last_message() -> None:
    body = CountTokensBody.model_validate(
        {"messages": [*user("Hi"), {"role": "assistant", "content": "I"}]}
    )
    assert chat_body(body).continue_final_message


async def test_bad_blocks_are_refused_by_their_place(tmp_path: Path) -> None:
    image = {"type": "image", "source": {"type": "base64", "data": ""}}
    documents = {**RESULT, "content": [{"type": "document"}]}
    places = {
        "messages[0].content[0].source": [image],
        "messages[0].content[0].content[0]": [documents],
        "messages[0]": [USED],
        "messages[0].content[0].text": [{"type": "text"}],
        "messages[0].content": 5,
    }
    async with echo(tmp_path) as post:
        for place, content in places.items():
            body: Body = {"messages": [{"role": "user", "content": content}, *user("Hi")]}
            assert_error(await post(MESSAGES, body), 400, "invalid_value", place)
        tool = {"type": "web_search_20250305", "name": "web_search"}
        response = await post(MESSAGES, {"messages": user("Hi"), "tools": [tool]})
    assert "web_search" in assert_error(response, 400, "unsupported_parameter", "tools[0].type")
    assert json.loads(response.text)["error"]["type"] == "invalid_request_error"
