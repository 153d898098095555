"""Chunks that are joined until they have as many tokens as a piece of a stream is to have."""

from typing import Any

import httpx
import orjson
import pytest

from common.engine import Chunk, TokenLogprob
from common.models.model import DEMO_MODEL
from common.serving.pieces import Pieces
from tests.in_process import echo_runtime

WORDS = "One two three four, naïve 你好 👋, five six seven."
BODY = {
    "model": "default", "prompt": WORDS, "max_tokens": 14, "ignore_eos": True, "stream": True,
    "return_token_ids": True, "logprobs": 0, "stream_options": {"include_usage": True},
}  # fmt: skip


def sizes(pieces: Pieces, *chunks: Chunk) -> list[int]:
    out = [pieces.add(chunk) for chunk in chunks]
    return [len(chunk.token_ids) or chunk.tokens for chunk in out if chunk is not None]


def test_chunks_wait_for_each_other_and_the_last_for_none() -> None:
    chunks = [Chunk([number]) for number in range(7)]
    assert sizes(Pieces(3), *chunks, Chunk([7], finish_reason="stop")) == [3, 3, 2]


def test_a_chunk_that_is_large_enough_goes_on_as_it_is() -> None:
    large = Chunk([1, 2, 3, 4])
    assert Pieces(3).add(large) is large


def test_nothing_of_a_chunk_is_lost() -> None:
    pieces = Pieces(5)
    entries = [TokenLogprob(number, -0.5, []) for number in range(3)]
    pieces.add(Chunk([0], logprobs=entries[:1], cached_tokens=7))
    whole = pieces.add(Chunk([1, 2], logprobs=entries[1:], finish_reason="length"))
    assert whole == Chunk([0, 1, 2], logprobs=entries, finish_reason="length", cached_tokens=7)


def test_texts_without_ids_are_joined() -> None:
    pieces = Pieces(3)
    pieces.add(Chunk(text="a b", tokens=2))
    assert pieces.add(Chunk(text=" c", tokens=1)) == Chunk([], text="a b c", tokens=3)


async def events(client: httpx.AsyncClient, **changes: Any) -> list[dict[str, Any]]:
    response = await client.post("/v1/completions", json={**BODY, **changes})
    assert response.status_code == 200, response.text
    lines = [line.removeprefix("data: ") for line in response.text.splitlines() if line]
    assert lines.pop() == "[DONE]"
    return [orjson.loads(line) for line in lines]


def answers(events_sent: list[dict[str, Any]], number: int) -> list[tuple[str, list[int], str]]:
    """Returns the text, the ids and the finish reason of each answer, all its events joined."""
    choices = [choice for event in events_sent for choice in event["choices"]]
    of_answer = [[each for each in choices if each["index"] == index] for index in range(number)]
    return [
        (
            "".join(each["text"] for each in own),
            [token_id for each in own for token_id in each["token_ids"]],
            own[-1]["finish_reason"],
        )
        for own in of_answer
    ]


@pytest.mark.parametrize("changes", [{}, {"n": 2}, {"stop": [" seven"]}, {"min_tokens": 14}])
async def test_a_stream_in_pieces_has_all_that_one_by_token_has(changes: dict[str, Any]) -> None:
    _, by_token = await echo_runtime(DEMO_MODEL)
    _, in_pieces = await echo_runtime(DEMO_MODEL, stream_interval=4)
    expected, joined = await events(by_token, **changes), await events(in_pieces, **changes)
    number = changes.get("n", 1)
    assert answers(joined, number) == answers(expected, number)
    assert joined[-1]["usage"] == expected[-1]["usage"]
    assert len(joined) < len(expected)


async def test_the_first_token_waits_for_none() -> None:
    _, client = await echo_runtime(DEMO_MODEL, stream_interval=4)
    lengths = [len(c["token_ids"]) for e in await events(client) for c in e["choices"]]
    assert [length for length in lengths if length] == [1, 4, 4, 4, 1]
