"""The adapter over MLC-LLM's double: tokens, ends, aborts."""

import asyncio
import itertools
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

import pytest

from common.engine import Chunk, GenerateRequest
from common.errors import InternalError, InvalidValue
from common.sampling import Sampling
from common.text.chat_template import load_chat_template
from common.text.tokenizer import Tokenizer
from services._mlc.request import last_chunk
from services.mlc import MLCEngine
from tests.conftest import MODEL
from tests.limits import DEADLINE
from tests.mlc.conftest import StartEngine

END = 2
TOKENIZER = Tokenizer(MODEL)
UNSURE = TOKENIZER.fast.encode("Qxz fjord 9").ids
NUMBERS = itertools.count()


def hello() -> list[int]:
    template = load_chat_template(MODEL, TOKENIZER, None)
    assert template is not None
    text = template.render([{"role": "user", "content": "Hello"}])
    return list(TOKENIZER.fast.encode(text, add_special_tokens=False).ids)


def request(
    prompt: Sequence[int], max_tokens: int = 60, ends: Sequence[int] = (END,), **fields: Any
) -> GenerateRequest:
    sampling = Sampling(
        max_tokens, **{"temperature": 0.0, "end_token_ids": frozenset(ends), **fields}
    )
    return GenerateRequest(f"request-{next(NUMBERS)}", prompt, sampling)


async def answer(engine: MLCEngine, generate_request: GenerateRequest) -> list[Chunk]:
    return [chunk async for chunk in engine.generate(generate_request)]


def ids(chunks: Sequence[Chunk]) -> list[int]:
    return [token_id for chunk in chunks for token_id in chunk.token_ids]


def under_way() -> int:
    """How many requests MLC-LLM still has to answer."""
    from mlc_llm.serve.engine_base import EngineState

    return len(EngineState.async_streamers)


async def until_under_way(count: int) -> None:
    """The adapter submits in the first step of a generation: the next turn of the loop."""
    for _ in range(3):
        await asyncio.sleep(0)
    assert under_way() == count


async def test_an_answer_has_every_token_and_the_one_that_ended_it(start: StartEngine) -> None:
    engine = await start()
    chunks = await answer(engine, request(hello()))
    assert [chunk.finish_reason for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1].finish_reason == "stop"
    assert ids(chunks)[-1] == END
    text = TOKENIZER.decode(ids(chunks), skip_special_tokens=True)
    assert text == "Hello! How can I help you?"
    assert engine.version == "0.20.0.dev0"
    assert under_way() == 0


async def test_only_the_ends_of_the_request_end_an_answer(start: StartEngine) -> None:
    engine = await start()
    endless = await answer(engine, request(hello(), ends=()))
    assert endless[-1].finish_reason == "length"
    assert len(ids(endless)) == 60
    assert END in ids(endless)
    third = ids(endless)[2]
    cut = await answer(engine, request(hello(), ends=(third, END)))
    # MLC-LLM does not say which of several ended it.
    assert ids(cut)[:-1] == ids(endless)[: ids(endless).index(third)]
    assert ids(cut)[-1] in (third, END)
    assert cut[-1].finish_reason == "stop"


async def test_tokens_of_the_prompt_that_were_cached_are_told_once(start: StartEngine) -> None:
    engine = await start()
    prompt = UNSURE[1:] * 5
    for expected in (0, len(prompt) - 1):
        *first, last = await answer(engine, request(prompt, 3))
        assert last.cached_tokens == expected
        assert {chunk.cached_tokens for chunk in first} <= {None}
    without = await start(prefix_caching=False)
    for _ in range(2):
        assert (await answer(without, request(prompt, 3)))[-1].cached_tokens == 0


async def test_leaving_a_stream_aborts_it_in_the_engine(start: StartEngine) -> None:
    """There is room for one: the second is answered because the first is gone."""
    engine = await start(max_concurrency=1)
    async with aclosing(engine.generate(request(UNSURE, 4000, ()))) as chunks:
        await anext(chunks)
        assert under_way() == 1
    assert under_way() == 0
    async with asyncio.timeout(DEADLINE):
        assert len(ids(await answer(engine, request(UNSURE, 3)))) == 3


async def test_cancelling_who_waits_aborts_it_in_the_engine(start: StartEngine) -> None:
    engine = await start(max_concurrency=1)
    task = asyncio.create_task(answer(engine, request(UNSURE, 4000, ())))
    await until_under_way(1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
    assert under_way() == 0
    async with asyncio.timeout(DEADLINE):
        assert len(ids(await answer(engine, request(UNSURE, 3)))) == 3


async def test_one_that_still_waits_for_its_turn_can_leave(start: StartEngine) -> None:
    engine = await start(max_concurrency=1)
    async with aclosing(engine.generate(request(UNSURE, 4000, ()))) as chunks:
        await anext(chunks)
        waiting = asyncio.create_task(answer(engine, request(UNSURE, 5)))
        await until_under_way(2)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert under_way() == 1
        await anext(chunks)


async def test_what_mlc_refuses_of_a_request_is_the_clients_error(start: StartEngine) -> None:
    engine = await start()
    with pytest.raises(InvalidValue, match=r"top_p.*range"):
        await answer(engine, request(UNSURE, top_p=2.0))
    assert len(ids(await answer(engine, request(UNSURE, 3)))) == 3


async def test_a_seed_of_any_size_repeats_an_answer(start: StartEngine) -> None:
    engine = await start()
    first, second, other = [
        ids(await answer(engine, request(UNSURE, 12, seed=seed, temperature=2.0)))
        for seed in (2**62 + 1, 2**62 + 1, 2**62 + 2)
    ]
    assert first == second != other


@pytest.mark.parametrize("reason", ["abort", "preempt", None])
def test_an_ending_that_is_none_is_an_error(reason: str | None) -> None:
    with pytest.raises(InternalError, match=repr(reason)):
        last_chunk([1], reason, {"prompt_tokens": 1}, Sampling(1))


def test_a_prompt_that_was_preempted_has_no_cached_tokens() -> None:
    usage = {"prompt_tokens": 5, "extra": {"prefill_tokens": 11}}
    assert last_chunk([1], "length", usage, Sampling(1)).cached_tokens == 0
    assert last_chunk([1], "length", {"prompt_tokens": 5}, Sampling(1)).cached_tokens is None
