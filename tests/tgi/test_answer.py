"""An answer that takes more than one request of TGI is one answer to whoever asked."""

import json
from collections.abc import AsyncGenerator
from typing import Any

from common.engine import Chunk
from common.models.model import DEMO_MODEL
from common.sampling import Sampling
from common.text.tokenizer import Tokenizer
from services._tgi.client import Answer
from services._tgi.prompt import Prompt, Prompts

PROMPT = Prompt("Hello")
WORD, PART, END = 50, 130, 2


class Replay:
    """Tokens as TGI would stream them; it stops after as many as asked for, and after an END."""

    def __init__(self, tokens: list[int]) -> None:
        self.left = tokens
        self.bodies: list[dict[str, Any]] = []

    async def tokens(self, body: bytes) -> AsyncGenerator[dict[str, Any], None]:
        self.bodies.append(json.loads(body))
        for count in range(1, self.bodies[-1]["parameters"]["max_new_tokens"] + 1):
            token_id = self.left.pop(0)
            text = {WORD: " one", PART: "", END: "<|im_end|>"}[token_id]
            last = token_id == END or count == self.bodies[-1]["parameters"]["max_new_tokens"]
            yield {
                "token": {"id": token_id, "text": text, "logprob": -1},
                "details": {"finish_reason": "length"} if last else None,
            }
            if last:
                return


async def answer(replay: Replay, length: int = 4096, **values: Any) -> list[Chunk]:
    prompts = Prompts(Tokenizer(DEMO_MODEL), images=False)
    one_answer = Answer(replay, prompts, length, Sampling(**values))  # type: ignore[arg-type]
    return [chunk async for chunk in one_answer.chunks(PROMPT)]


def asked(replay: Replay) -> list[int]:
    return [body["parameters"]["max_new_tokens"] for body in replay.bodies]


async def test_a_short_answer_is_one_request() -> None:
    replay = Replay([WORD, WORD, END])
    chunks = await answer(replay, max_tokens=1024, end_token_ids=frozenset({END}))
    assert [(chunk.token_ids, chunk.finish_reason) for chunk in chunks] == [
        ((WORD,), None),
        ((WORD,), None),
        ((END,), "stop"),
    ]
    assert asked(replay) == [1024]


async def test_behind_an_end_token_that_is_to_be_ignored_it_goes_on_from_the_text() -> None:
    replay = Replay([WORD, END, END, WORD, WORD])
    chunks = await answer(replay, max_tokens=4, seed=1)
    assert [chunk.token_ids[0] for chunk in chunks] == [WORD, END, END, WORD]
    assert [chunk.finish_reason for chunk in chunks] == [None, None, None, "length"]
    assert asked(replay) == [4, 2, 1]
    assert [body["inputs"] for body in replay.bodies] == [
        "Hello",
        "Hello one<|im_end|>",
        "Hello one<|im_end|><|im_end|>",
    ]
    assert len({body["parameters"]["seed"] for body in replay.bodies}) == 3


async def test_any_token_can_be_the_end() -> None:
    replay = Replay([WORD, PART, WORD, WORD])
    chunks = await answer(replay, max_tokens=50, end_token_ids=frozenset({PART}))
    assert [chunk.finish_reason for chunk in chunks] == [None, "stop"]


async def test_a_long_answer_is_broken_off_after_a_whole_character() -> None:
    tokens = [WORD] * 998 + [PART] * 3 + [WORD] * 600
    replay = Replay(list(tokens))
    chunks = await answer(replay, max_tokens=1500)
    assert [chunk.token_ids[0] for chunk in chunks] == tokens[:1500]
    assert chunks[-1].finish_reason == "length"
    assert asked(replay) == [1024, 1500 - 1002]
    assert replay.bodies[1]["inputs"] == "Hello" + " one" * 999


async def test_an_answer_of_which_no_character_is_whole_is_broken_off_at_the_limit() -> None:
    replay = Replay([WORD] + [PART] * 1100)
    chunks = await answer(replay, max_tokens=1100)
    assert len(chunks) == 1100
    assert asked(replay) == [1024, 76]


async def test_it_ends_where_tgis_context_is_full() -> None:
    replay = Replay([WORD, END] * 10)
    room = len(Tokenizer(DEMO_MODEL).fast.encode("Hello one<|im_end|>").ids)
    chunks = await answer(replay, length=room, max_tokens=20)
    assert [chunk.finish_reason for chunk in chunks] == [None, None, "length"]
    assert chunks[-1].token_ids == ()
