"""Generations of LMDeploy that are cut, waited for and outlived; on the double of its engine."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from common.errors import ContextLengthExceeded, EngineDead, InternalError, InvalidValue
from services._lmdeploy.streams import Streams
from tests.limits import AT_ONCE
from tests.lmdeploy.adapter.engines import (
    BOTH,
    PROMPT,
    asked,
    async_engine,
    break_device,
    idle,
    prepared,
    running,
    until,
)

NONSENSE = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "nonsense"}}}


@pytest.fixture(params=BOTH)
async def llm(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    async with async_engine(request.param) as engine:
        yield engine


@pytest.fixture
async def streams(llm: Any) -> AsyncIterator[Streams]:
    own = Streams(llm)
    yield own
    await own.close()


async def collect(streams: Streams, config: Any) -> list[Any]:
    return [output async for output in streams.outputs(PROMPT, config)]


async def test_every_token_comes_once_and_the_last_output_has_the_reason(
    llm: Any, streams: Streams
) -> None:
    outputs = await collect(streams, asked(20))
    assert sum(len(output.token_ids) for output in outputs) == 20
    assert [o.finish_reason for o in outputs] == [None] * (len(outputs) - 1) + ["length"]
    await idle(llm)


async def test_a_stop_token_is_given_and_counted(streams: Streams) -> None:
    first = await collect(streams, asked(8))
    ids = [token for output in first for token in output.token_ids]
    stop = ids[3]
    outputs = await collect(streams, asked(8, stop_token_ids=[stop]))
    assert outputs[-1].token_ids == [stop]
    assert outputs[-1].finish_reason == "stop"
    assert outputs[-1].generate_token_len == ids.index(stop) + 1


async def test_cancelling_the_reader_is_seen_by_the_reader_and_ends_the_generation(
    llm: Any, streams: Streams
) -> None:
    """LMDeploy itself swallows it; with TurboMind the answer would then look complete."""
    seen: list[Any] = []

    async def read() -> None:
        async for output in streams.outputs(PROMPT, asked()):
            seen.append(output)

    reading = asyncio.create_task(read())
    await until(lambda: seen)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert all(output.finish_reason is None for output in seen)
    await idle(llm)


async def test_a_time_limit_around_the_reader_is_a_timeout(llm: Any, streams: Streams) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await collect(streams, asked())
    await idle(llm)


async def test_closing_ends_the_generation(llm: Any, streams: Streams) -> None:
    async with aclosing(streams.outputs(PROMPT, asked())) as outputs:
        first = await anext(outputs)
    assert first.finish_reason is None
    await idle(llm)


async def test_leaving_while_all_handles_are_taken_leaves_nothing(
    llm: Any, streams: Streams
) -> None:
    async with (
        aclosing(streams.outputs(PROMPT, asked())) as one,
        aclosing(streams.outputs(PROMPT, asked())) as two,
    ):
        await asyncio.gather(anext(one), anext(two))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await collect(streams, asked())
    await idle(llm)
    assert await collect(streams, asked(1))


async def test_a_reader_that_does_not_read_is_no_sign_of_death(llm: Any, streams: Streams) -> None:
    async with aclosing(llm.generate(await prepared(llm, asked(4)))) as outputs:
        await anext(outputs)
        await until(lambda: not running(llm))
        for _ in range(2):
            assert not await streams.unhealthy()


async def test_what_lmdeploy_refuses_is_the_clients_error(streams: Streams) -> None:
    with pytest.raises(InvalidValue, match="Unsupported response format"):
        await collect(streams, asked(response_format=NONSENSE))
    with pytest.raises(ContextLengthExceeded):
        async for _ in streams.outputs(PROMPT * 2000, asked(1)):
            pass


@pytest.mark.parametrize("llm", ["turbomind"], indirect=True)
async def test_a_prompt_that_the_cache_cannot_hold_is_the_clients_error(
    llm: Any, streams: Streams
) -> None:
    llm.engine.cache_tokens = len(PROMPT) - 1
    with pytest.raises(ContextLengthExceeded, match="does not fit into its KV cache"):
        await collect(streams, asked(1))
    llm.engine.cache_tokens = len(PROMPT)
    assert await collect(streams, asked(1))


@pytest.mark.parametrize("llm", ["turbomind"], indirect=True)
async def test_a_failure_of_a_healthy_engine_is_no_death(llm: Any, streams: Streams) -> None:
    llm.engine.fail_after = 3
    with pytest.raises(InternalError):
        await collect(streams, asked())
    assert not streams.dead
    llm.engine.fail_after = 10**6
    assert await collect(streams, asked(5))


@pytest.mark.parametrize("llm", ["pytorch"], indirect=True)
async def test_a_death_is_told_to_all_who_wait_within_a_second(llm: Any, streams: Streams) -> None:
    """LMDeploy takes up to two."""

    async def until_death() -> float:
        with pytest.raises(EngineDead, match="PyTorch engine "):
            await collect(streams, asked())
        return time.monotonic()

    waiting = [asyncio.create_task(until_death()) for _ in range(2)]
    await until(lambda: running(llm) == 2)
    died = time.monotonic()
    break_device()
    assert max(await asyncio.gather(*waiting)) - died < AT_ONCE
    with pytest.raises(EngineDead):
        await collect(streams, asked(1))


async def test_closing_tells_those_who_wait(llm: Any) -> None:
    streams = Streams(llm)
    waiting = asyncio.create_task(collect(streams, asked()))
    await until(lambda: running(llm))
    await streams.close()
    with pytest.raises(EngineDead, match="stopped"):
        await waiting
    await idle(llm)
