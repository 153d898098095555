"""A client reads what the tokenizer says, streamed or not, with the tokenizers of other models."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.contract.support import COMPLETIONS
from tests.in_process import echo_runtime
from tests.model_directories import demo_copy
from tests.text.tokenizer_kinds import MAKERS

KINDS = ["byte level", "Llama 2", "Llama 2 without legacy", "Metaspace always", "Gemma"]
TEXTS = [
    "hey friend",
    "\U0001f389\U0001f389",
    "friend \U0001f389\U0001f389",
    "e\u0301 \u0645\u0631\u062d\u0628\u0627 \u732b",
    "hey\n  friend",
]


def folder_with(tmp_path: Path, kind: str) -> Path:
    folder = demo_copy(tmp_path / "model")
    MAKERS[kind]().save(str(folder / "tokenizer.json"))
    return folder


async def post(http: httpx.AsyncClient, path: str, **body: Any) -> httpx.Response:
    response = await http.post(path, json=body)
    assert response.status_code == 200, response.text
    return response


async def detokenized(http: httpx.AsyncClient, ids: list[int]) -> str:
    text: str = (await post(http, "/detokenize", tokens=ids)).json()["prompt"]
    return text


async def streamed(http: httpx.AsyncClient, **body: Any) -> str:
    response = await post(http, COMPLETIONS, stream=True, **body)
    events = [line.removeprefix("data: ") for line in response.text.splitlines() if line]
    return "".join(json.loads(event)["choices"][0]["text"] for event in events[:-1])


@pytest.mark.parametrize("tokens_per_chunk", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
async def test_the_answer_is_the_text_behind_the_prompt(
    tmp_path: Path, kind: str, tokens_per_chunk: int
) -> None:
    """An echo says the prompt's tokens again: behind the prompt they may begin with a space."""
    folder = folder_with(tmp_path, kind)
    _, client = await echo_runtime(folder, engine_args={"tokens_per_chunk": tokens_per_chunk})
    async with client as http:
        for text in TEXTS:
            body = {"prompt": text, "add_special_tokens": False}
            ids = (await post(http, "/tokenize", **body)).json()["tokens"]
            assert await detokenized(http, ids) == text
            whole = await detokenized(http, ids * 2)
            request = {"prompt": ids, "max_tokens": len(ids), "ignore_eos": True}
            assert text + await streamed(http, **request) == whole
            answer = (await post(http, COMPLETIONS, **request, echo=True)).json()
            assert answer["choices"][0]["text"] == whole


@pytest.mark.parametrize("kind", KINDS)
async def test_a_stop_string_of_several_tokens_ends_the_stream_before_it(
    tmp_path: Path, kind: str
) -> None:
    _, client = await echo_runtime(folder_with(tmp_path, kind))
    text = "hey \U0001f389 friend"
    async with client as http:
        body = {"prompt": text, "add_special_tokens": False}
        ids = (await post(http, "/tokenize", **body)).json()["tokens"]
        request = {"prompt": ids, "max_tokens": 3 * len(ids), "ignore_eos": True}
        whole = (await detokenized(http, ids * 4))[len(text) :]
        for stop in ("\U0001f389", " friend", "nd", "y \U0001f389 f"):
            expected = whole[: whole.index(stop)]
            assert await streamed(http, **request, stop=[stop, "never"]) == expected
