"""Calls of each member on every route: an echo writes them in the member's own tokens."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from common.models.model import open_model
from common.settings import Settings
from common.text.chat import open_chat
from tests.contract.support import CHAT, MESSAGES, Body, message_of, named_events, user
from tests.contract.test_tools import joined
from tests.gallery.conftest import Built
from tests.gallery.conversations import TOOLS
from tests.gallery.members import MEMBERS
from tests.in_process import echo_runtime
from tests.text.call_texts import AT_THE_START, WRITERS, each

RESPONSES = "/v1/responses"
FUNCTION = TOOLS[0]["function"]
PLACES = ["Rome", "Oslo"]
EXPECTED = [("weather", {"place": place}) for place in PLACES]
SAID = "I look."
HARMONY = each(
    lambda name, text, n: (
        f"<|channel|>commentary to=functions.{name} <|constrain|>json<|message|>{text}<|call|>"
        if n
        else f" to=functions.{name}<|channel|>commentary json<|message|>{text}<|end|>"
    ),
    f"<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary<|message|>"
    f"{SAID}<|end|><|start|>assistant",
    separator="<|start|>assistant",
)
"""gpt-oss makes one call in an answer; two show that the next message is read again."""
CALLING = [name for name, member in MEMBERS.items() if member.tools is not None]


def written(form: str) -> str:
    if form == "harmony":
        return HARMONY(EXPECTED)
    return ("" if form in AT_THE_START else SAID) + WRITERS[form](EXPECTED)


async def speaker(built: Built, name: str, file: Path) -> tuple[httpx.AsyncClient, str]:
    """Returns a client of an echo that says the last message once, and a message with calls."""
    file.write_text("{{ messages[-1].content }}")
    folder, form = built(name), MEMBERS[name].tools
    assert form is not None
    chat = open_chat(Settings(), open_model(Settings(), folder))
    text = written(form)
    ids = await chat.tokenizer.encode(text, add_special_tokens=False)
    _, client = await echo_runtime(
        folder,
        chat_template=str(file),
        tool_format=form,
        reasoning="harmony" if form == "harmony" else "none",
        max_model_len=2048,
        engine_args={"length": sum(i not in chat.model.end_token_ids for i in ids)},
    )
    return client, text


def read(calls: list[Body]) -> list[tuple[str, Any]]:
    return [(call["name"], json.loads(call["arguments"])) for call in calls]


@pytest.mark.parametrize("name", CALLING)
async def test_calls_are_found_on_every_route(built: Built, name: str, tmp_path: Path) -> None:
    client, text = await speaker(built, name, tmp_path / "template.jinja")
    said = SAID if SAID in text else ""
    body: Body = {"messages": user(text), "tools": TOOLS}
    async with client:
        whole = (await client.post(CHAT, json=body)).json()["choices"][0]
        assert (whole["message"]["content"] or "").strip() == said
        assert whole["finish_reason"] == "tool_calls"
        calls = whole["message"]["tool_calls"]
        assert read([call["function"] for call in calls]) == EXPECTED
        assert len({call["id"] for call in calls}) == 2

        streamed = (await client.post(CHAT, json={**body, "stream": True})).text
        choices = [json.loads(line[6:])["choices"][0] for line in streamed.split("\n\n")[:-2]]
        content = "".join(choice["delta"].get("content") or "" for choice in choices)
        assert content == (whole["message"]["content"] or "")
        assert read([call["function"] for call in joined(choices)]) == EXPECTED

        tools = [{"name": "weather", "input_schema": FUNCTION["parameters"]}]
        asked = {"messages": user(text), "tools": tools, "max_tokens": 500, "stream": True}
        message = message_of(named_events(await client.post(MESSAGES, json=asked)))
        used = [block for block in message["content"] if block["type"] == "tool_use"]
        assert [(block["name"], block["input"]) for block in used] == EXPECTED

        asked = {"input": text, "tools": [{"type": "function", **FUNCTION}]}
        output = (await client.post(RESPONSES, json=asked)).json()["output"]
        assert read([item for item in output if item["type"] == "function_call"]) == EXPECTED

        alone = {**body, "parallel_tool_calls": False}
        one = (await client.post(CHAT, json=alone)).json()["choices"][0]["message"]
        assert read([call["function"] for call in one["tool_calls"]]) == EXPECTED[:1]


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("kimi-k2", "functions[.]weather:[01]"),
        ("mistral-small-3.2", "[A-Za-z0-9]{9}"),
        ("mistral", "[A-Za-z0-9]{9}"),
        ("qwen-3", "call_[0-9a-f]{24}"),
    ],
)
async def test_ids_are_the_models_own_or_in_their_form(
    built: Built, name: str, ids: str, tmp_path: Path
) -> None:
    client, text = await speaker(built, name, tmp_path / "template.jinja")
    async with client:
        body = {"messages": user(text), "tools": TOOLS}
        message = (await client.post(CHAT, json=body)).json()["choices"][0]["message"]
    for call in message["tool_calls"]:
        assert re.fullmatch(ids, call["id"])


async def test_marks_that_begin_no_call_are_hidden(built: Built, tmp_path: Path) -> None:
    """As all special tokens are; a client that asks for them sees them."""
    client, _ = await speaker(built, "kimi-k2", tmp_path / "template.jinja")
    text = "See <|tool_calls_section_begin|><|tool_call_begin|>functions.other:0"
    async with client:
        body = {"messages": user(text), "tools": TOOLS, "max_tokens": 30}
        hidden = (await client.post(CHAT, json=body)).json()["choices"][0]["message"]
        body["skip_special_tokens"] = False
        shown = (await client.post(CHAT, json=body)).json()["choices"][0]["message"]
    assert hidden["content"].startswith("See functions.other:0")
    assert shown["content"].startswith(text)
