"""Reasoning comes apart from the answer on every route, streamed or not."""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tokenizers import Tokenizer as FastTokenizer

from tests.contract.support import CHAT, COMPLETIONS, GENERATE, Body, assert_error, user
from tests.contract.test_tools import WEATHER
from tests.in_process import echo_runtime
from tests.model_directories import demo_copy

THOUGHT, SAID = "2 and 2 are < 5.", "It is 4.\n"
WRITTEN = f"<think>\n{THOUGHT}\n</think>\n\n{SAID}"
CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Rome"}}\n</tool_call>'
LAST = "{{ messages[-1].content }}"
UNMARKED = f"{{# <think> #}}{LAST}"
"""An echo of it says what the last message says."""
OPENED = f"{LAST}{{{{ '<think>\n' }}}}"
SWITCHED = "{{ '' if enable_thinking is defined and not enable_thinking else '<think>\n' }}"
ON = {"enable_thinking": True}

Post = Callable[..., Awaitable[httpx.Response]]


@asynccontextmanager
async def echo(tmp_path: Path, template: str = UNMARKED, **settings: Any) -> AsyncIterator[Post]:
    """Yields what posts to an Echo whose prompts `template` makes, and that says them once."""
    file = tmp_path / "template.jinja"
    file.write_text(template)
    runtime, client = await echo_runtime(
        demo_copy(tmp_path / "model"), chat_template=str(file), **settings
    )

    async def post(path: str, body: Body) -> httpx.Response:
        text = body["messages"][-1]["content"] if "messages" in body else body["prompt"]
        length = len(await runtime.tokenizer.encode(text, add_special_tokens=False))
        return await client.post(path, json={"max_tokens": length, **body})

    async with client:
        yield post


async def ask(post: Post, text: str = WRITTEN, **fields: Any) -> Body:
    response = await post(CHAT, {"messages": user(text), **fields})
    assert response.status_code == 200, response.text
    value: Body = response.json()
    return value


async def streamed(post: Post, text: str = WRITTEN, **fields: Any) -> list[Body]:
    response = await post(CHAT, {"messages": user(text), "stream": True, **fields})
    assert response.status_code == 200, response.text
    lines = [line.removeprefix("data: ") for line in response.text.splitlines() if line]
    return [json.loads(line) for line in lines[:-1]]


def joined(chunks: list[Body], name: str) -> str:
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    return "".join(delta.get(name) or "" for delta in deltas)


@pytest.mark.parametrize("tokens_per_chunk", [1, 3, 50])
@pytest.mark.parametrize("fields", [{}, {"logprobs": True}, {"return_token_ids": True}])
async def test_chat_has_reasoning_and_content(
    tmp_path: Path, tokens_per_chunk: int, fields: Body
) -> None:
    async with echo(tmp_path, engine_args={"tokens_per_chunk": tokens_per_chunk}) as post:
        value = await ask(post, **fields)
        chunks = await streamed(post, **fields)
    message = value["choices"][0]["message"]
    assert (message["reasoning"], message["content"]) == (THOUGHT, SAID)
    assert (joined(chunks, "reasoning"), joined(chunks, "content")) == (THOUGHT, SAID)
    assert "reasoning_content" not in json.dumps([value, chunks])


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content", "both"])
async def test_the_operator_chooses_the_name(tmp_path: Path, field: Any) -> None:
    names = ["reasoning", "reasoning_content"] if field == "both" else [field]
    async with echo(tmp_path, reasoning_field=field) as post:
        message = (await ask(post))["choices"][0]["message"]
        chunks = await streamed(post)
        counted = await streamed(post, stream_options={"continuous_usage_stats": True})
    for name in ("reasoning", "reasoning_content"):
        expected = THOUGHT if name in names else ""
        assert message.get(name, "") == expected
        assert joined(chunks, name) == joined(counted, name) == expected


async def test_the_tokens_of_reasoning_are_counted(tmp_path: Path) -> None:
    async with echo(tmp_path) as post:
        usage = (await ask(post))["usage"]
        options = {"continuous_usage_stats": True, "include_usage": True}
        chunks = await streamed(post, stream_options=options)
        entries = (await ask(post, logprobs=True))["choices"][0]["logprobs"]["content"]
        plain = (await ask(post, "Hello"))["usage"]
    count = usage["completion_tokens_details"]["reasoning_tokens"]
    text = "".join(entry["token"] for entry in entries[:count])
    assert text.startswith("<think>")
    assert "</think>" in text
    assert "</think>" not in "".join(entry["token"] for entry in entries[: count - 1])
    counts = [c["usage"]["completion_tokens_details"]["reasoning_tokens"] for c in chunks]
    assert counts == sorted(counts)
    assert counts[-1] == count
    assert plain["completion_tokens_details"] == {"reasoning_tokens": 0}


async def test_the_metrics_count_the_tokens_of_reasoning(tmp_path: Path) -> None:
    file = tmp_path / "template.jinja"
    file.write_text(UNMARKED)
    _, client = await echo_runtime(demo_copy(tmp_path / "model"), chat_template=str(file))
    async with client:
        body = {"messages": user(WRITTEN), "max_tokens": 60}
        usage = (await client.post(CHAT, json=body)).json()["usage"]
        text = (await client.get("/metrics")).text
    (counted,) = re.findall(r"^gen_ai_server_reasoning_tokens_total{.*} (.+)$", text, re.MULTILINE)
    assert float(counted) == usage["completion_tokens_details"]["reasoning_tokens"] > 0


async def test_a_cut_answer_is_all_reasoning(tmp_path: Path) -> None:
    async with echo(tmp_path) as post:
        value = await ask(post, max_tokens=8)
    choice, usage = value["choices"][0], value["usage"]
    assert choice["finish_reason"] == "length"
    assert THOUGHT.startswith(choice["message"]["reasoning"])
    assert choice["message"]["content"] == ""
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 8


async def test_the_template_may_begin_the_reasoning(tmp_path: Path) -> None:
    async with echo(tmp_path, OPENED) as post:
        message = (await ask(post, "So.</think>It is 4."))["choices"][0]["message"]
        cut = (await ask(post, "It is 4."))["choices"][0]["message"]
    assert (message["reasoning"], message["content"]) == ("So.", "It is 4.")
    assert (cut["reasoning"], cut["content"]) == ("It is 4.", "")


@pytest.mark.parametrize("stop", ["It", "2", "is 4", "</think>"])
async def test_a_stop_string_acts_on_the_answer(tmp_path: Path, stop: str) -> None:
    async with echo(tmp_path, engine_args={"tokens_per_chunk": 4}) as post:
        choice = (await ask(post, stop=stop))["choices"][0]
        shown = (await ask(post, stop=stop, include_stop_str_in_output=True))["choices"][0]
    text, mark, _ = SAID.partition(stop)
    assert choice["message"]["reasoning"] == shown["message"]["reasoning"] == THOUGHT
    assert choice["message"]["content"] == text
    assert shown["message"]["content"] == text + mark
    assert choice["finish_reason"] == ("stop" if mark else "length")


async def test_tool_calls_are_looked_for_behind_the_reasoning(tmp_path: Path) -> None:
    text = f"<think>I call {CALL} then.</think>\n\n{CALL}"
    async with echo(tmp_path, tool_format="hermes") as post:
        message = (await ask(post, text, tools=[WEATHER]))["choices"][0]["message"]
        chunks = await streamed(post, text, tools=[WEATHER])
    assert message["reasoning"] == joined(chunks, "reasoning") == f"I call {CALL} then."
    assert message["content"] is None
    assert joined(chunks, "content") == ""
    (call,) = message["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"city": "Rome"}


async def test_reasoning_can_be_left_out(tmp_path: Path) -> None:
    async with echo(tmp_path) as post:
        value = await ask(post, include_reasoning=False)
        chunks = await streamed(post, include_reasoning=False)
    assert "reasoning" not in value["choices"][0]["message"]
    assert value["choices"][0]["message"]["content"] == joined(chunks, "content") == SAID
    assert joined(chunks, "reasoning") == ""
    assert value["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0


async def test_generate_gives_the_answer_and_on_demand_the_reasoning(tmp_path: Path) -> None:
    async with echo(tmp_path) as post:
        plain = await post(GENERATE, {"prompt": WRITTEN})
        whole = await post(GENERATE, {"prompt": WRITTEN, "include_reasoning": True})
        cut = await post(GENERATE, {"prompt": WRITTEN, "include_reasoning": True, "max_tokens": 6})
        other = await post(GENERATE, {"prompt": "Hello", "include_reasoning": True})
    assert plain.text == SAID
    assert whole.text == WRITTEN
    assert WRITTEN.startswith(cut.text.rstrip())
    assert "</think>" not in cut.text
    assert other.text == "Hello"


async def test_completions_and_the_format_none_leave_the_text_whole(tmp_path: Path) -> None:
    async with echo(tmp_path) as post:
        value = (await post(COMPLETIONS, {"prompt": WRITTEN, "add_special_tokens": False})).json()
        assert value["choices"][0]["text"] == WRITTEN
    (tmp_path / "none").mkdir()
    async with echo(tmp_path / "none", reasoning="none") as post:
        value = await ask(post)
    assert value["choices"][0]["message"]["content"] == WRITTEN
    assert "completion_tokens_details" not in value["usage"]


async def test_each_of_several_answers_has_its_own_reasoning(tmp_path: Path) -> None:
    async with echo(tmp_path) as post:
        choices = (await ask(post, n=3))["choices"]
    assert [choice["message"]["reasoning"] for choice in choices] == [THOUGHT] * 3
    assert [choice["message"]["content"] for choice in choices] == [SAID] * 3


DOCUMENT: Body = {"response_format": {"type": "json_object"}}


async def test_a_form_turns_reasoning_off_where_the_backend_cannot_reason_before_it(
    tmp_path: Path,
) -> None:
    off: Body = {"chat_template_kwargs": {"enable_thinking": False}}
    async with echo(tmp_path, LAST + SWITCHED) as post:
        formed = await ask(post, **DOCUMENT)
        assert formed["choices"] == (await ask(post, **DOCUMENT, **off))["choices"]
        assert (
            formed["usage"]["prompt_tokens"] == (await ask(post, **off))["usage"]["prompt_tokens"]
        )
        assert "reasoning" in (await ask(post))["choices"][0]["message"]
        assert (await post(GENERATE, {"prompt": SAID, **DOCUMENT})).text == SAID
        for asked in ({"reasoning_effort": "low"}, {"chat_template_kwargs": ON}):
            body = {"messages": user("Hi"), **DOCUMENT, **asked}
            message = assert_error(
                await post(CHAT, body), 400, "unsupported_parameter", "response_format"
            )
            assert f"{next(iter(asked))} asks for that" in message


async def test_a_form_is_refused_where_reasoning_can_be_neither_before_it_nor_off(
    tmp_path: Path,
) -> None:
    async with echo(tmp_path) as post:
        for path, body in ((CHAT, {"messages": user("Hi")}), (GENERATE, {"prompt": "Hi"})):
            response = await post(path, {**body, **DOCUMENT})
            assert_error(response, 400, "unsupported_parameter", "response_format")
        response = await post(
            CHAT, {"messages": user("Hi"), "tools": [WEATHER], "tool_choice": "required"}
        )
        assert_error(response, 400, "unsupported_parameter", "tools")


async def test_a_format_known_by_tokens_alone_does_not_hinder_a_form(tmp_path: Path) -> None:
    async with echo(tmp_path, LAST) as post:
        message = (await ask(post, SAID, **DOCUMENT))["choices"][0]["message"]
    assert message["content"] == SAID


@pytest.mark.parametrize(("tokens", "special"), [(1, True), (3, True), (1, False), (50, True)])
async def test_marks_that_are_special_tokens_are_found(
    tmp_path: Path, tokens: int, special: bool
) -> None:
    """And are shown nowhere; a template without marks is enough, as for Magistral."""
    folder = demo_copy(tmp_path / "model", vocab_size=770)
    tokenizer = FastTokenizer.from_file(str(folder / "tokenizer.json"))
    add = tokenizer.add_special_tokens if special else tokenizer.add_tokens
    add(["[THINK]", "[/THINK]"])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "chat_template.jinja").write_text(LAST)
    text = f"[THINK]{THOUGHT}[/THINK]{SAID}"
    args = {"tokens_per_chunk": tokens}
    runtime, client = await echo_runtime(folder, engine_args=args)
    count = len(await runtime.tokenizer.encode(text, add_special_tokens=False))
    thought = len(await runtime.tokenizer.encode(THOUGHT, add_special_tokens=False)) + 2
    body = {"messages": user(text), "max_tokens": count}
    async with client:
        for fields in ({}, {"skip_special_tokens": False}, {"stop": ["never"]}):
            value = (await client.post(CHAT, json={**body, **fields})).json()
            message, usage = value["choices"][0]["message"], value["usage"]
            assert (message["reasoning"], message["content"]) == (THOUGHT, SAID)
            assert usage["completion_tokens_details"]["reasoning_tokens"] == thought
