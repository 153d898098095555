"""What the adapter knows of AsyncEngine: run on a double, and in tests/real_packages on itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from services._lmdeploy.request import prompt_logprobs, scoring_config
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

EOS = 2
"""Of the demo model's files."""


@pytest.fixture(params=BOTH)
async def llm(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    async with async_engine(request.param) as engine:
        yield engine


async def outputs_of(llm: Any, config: Any) -> list[Any]:
    return [output async for output in llm.generate(await prepared(llm, config))]


async def test_the_eos_of_the_models_files_is_added_to_the_stop_tokens(llm: Any) -> None:
    config = asked(stop_token_ids=[5])
    request = await prepared(llm, config)
    assert set(request.gen_config.stop_token_ids) == {5, EOS}
    assert config.stop_token_ids == [5]


async def test_without_do_sample_penalty_and_temperature_are_dropped(llm: Any) -> None:
    config = (await prepared(llm, asked(repetition_penalty=1.3, temperature=0.5))).gen_config
    assert (config.top_k, config.temperature, config.repetition_penalty) == (1, 1.0, 1.0)
    config = (await prepared(llm, asked(repetition_penalty=1.3, do_sample=True))).gen_config
    assert (config.top_k, config.temperature, config.repetition_penalty) == (50, 0.8, 1.3)
    assert config.random_seed is not None


async def test_outputs_are_deltas_and_the_last_one_has_the_reason(llm: Any) -> None:
    outputs = await outputs_of(llm, asked(6))
    count = 0
    for output in outputs:
        count += len(output.token_ids)
        assert output.generate_token_len == count
        assert output.input_token_len == len(PROMPT)
    assert count == 6
    assert [o.finish_reason for o in outputs] == [None] * (len(outputs) - 1) + ["length"]
    assert outputs[-1].token_ids == []
    text = "".join(output.response for output in outputs)
    ids = [token for output in outputs for token in output.token_ids]
    assert text == llm.tokenizer.decode(PROMPT + ids)[len(llm.tokenizer.decode(PROMPT)) :]


@pytest.mark.parametrize("included", [True, False])
async def test_the_stop_token_is_there_only_when_asked_for(llm: Any, included: bool) -> None:
    ids = [token for output in await outputs_of(llm, asked(8)) for token in output.token_ids]
    stop = ids[3]
    config = asked(8, stop_token_ids=[stop], include_stop_str_in_output=included)
    outputs = await outputs_of(llm, config)
    stopped_ids = [token for output in outputs for token in output.token_ids]
    before = ids[: ids.index(stop)]
    assert stopped_ids == ([*before, stop] if included else before)
    assert outputs[-1].finish_reason == "stop"
    assert outputs[-1].generate_token_len == len(stopped_ids)


@pytest.mark.parametrize("llm", ["pytorch"], indirect=True)
@pytest.mark.parametrize("top", [0, 2])
async def test_a_request_for_scores_has_one_output_with_a_row_per_token(llm: Any, top: int) -> None:
    (output,) = await outputs_of(llm, scoring_config(top))
    assert (output.token_ids, output.finish_reason) == ([], "length")
    first, *scores = prompt_logprobs(PROMPT, output, top)
    assert first is None
    assert [score.token_id for score in scores if score] == PROMPT[1:]
    assert [len(score.top) for score in scores if score] == [top] * len(scores)


async def test_a_prepared_request_serves_once_and_a_prompt_not_at_all(llm: Any) -> None:
    from lmdeploy.serve.core import ErrorCode, RequestError

    request = await prepared(llm, asked(2))
    assert [output async for output in llm.generate(request)]
    with pytest.raises(RequestError) as refused:
        await anext(llm.generate(request))
    assert refused.value.code == ErrorCode.REQUEST_CONFLICT
    with pytest.raises(TypeError):
        await anext(llm.generate("Hello"))


async def test_a_session_serves_one_request_at_a_time(llm: Any) -> None:
    from lmdeploy.serve.core import ErrorCode, RequestError

    request = await prepared(llm, asked())
    async with aclosing(llm.generate(request)) as outputs:
        await anext(outputs)
        with pytest.raises(RequestError) as refused:
            await llm.preprocess(None, request.session, gen_config=asked(1), input_ids=PROMPT)
        assert refused.value.code == ErrorCode.REQUEST_CONFLICT
    await idle(llm)


async def test_an_abort_from_outside_is_a_reason(llm: Any) -> None:
    request = await prepared(llm, asked())
    reasons = []
    async for output in llm.generate(request):
        reasons.append(output.finish_reason)
        if len(reasons) == 1:
            await request.session.async_abort()
    assert reasons[-1] == "abort"
    await idle(llm)


async def test_the_cancelling_of_a_reader_is_not_passed_on(llm: Any) -> None:
    """And with TurboMind what was cut looks complete."""
    seen: list[Any] = []

    async def read() -> None:
        async for output in llm.generate(await prepared(llm, asked(200))):
            seen.append(output)

    reading = asyncio.create_task(read())
    await until(lambda: seen)
    reading.cancel()
    await reading
    if llm.backend == "turbomind":
        assert seen[-1].finish_reason == "length"
        assert seen[-1].generate_token_len < 200
    await idle(llm)


async def test_a_finished_answer_that_nobody_reads_is_taken_for_a_stall(llm: Any) -> None:
    async with aclosing(llm.generate(await prepared(llm, asked(4)))) as outputs:
        await anext(outputs)
        await until(lambda: not running(llm))
        await llm.health_probe(0.0)
        assert (await llm.health_probe(0.0))["status"] == "unhealthy"
        assert (await llm.health_probe(float("inf")))["status"] == "healthy"


@pytest.mark.parametrize("llm", ["pytorch"], indirect=True)
async def test_a_dead_loop_is_unhealthy_and_unavailable(llm: Any) -> None:
    from lmdeploy.serve.core import ErrorCode, RequestError

    request = await prepared(llm, asked())
    outputs = llm.generate(request)
    await anext(outputs)
    break_device()
    with pytest.raises(RequestError) as error:
        async for _ in outputs:
            pass
    assert error.value.code == ErrorCode.ENGINE_UNAVAILABLE
    assert (await llm.health_probe(1.0))["status"] == "unhealthy"
