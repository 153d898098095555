"""TensorRT-LLM on a GPU: end tokens are counted once, and its ranks are known and watched."""

from typing import Any

import pytest

from tests.contract.support import CHAT, answer, tokenize
from tests.real.engines.support import (
    assert_capital,
    assert_death_is_told,
    engine_processes,
    started,
)
from tests.real.marks import real
from tests.service_process import Service


@real("tensorrt_llm", gpus=1)
@pytest.mark.parametrize("fields", [{}, {"stop": ["zzzz"]}])
def test_the_end_token_is_counted_once(real_service: Service, fields: dict[str, Any]) -> None:
    value = answer(real_service, CHAT, "What is the capital of France?", temperature=0, **fields)
    text = value["choices"][0]["message"]["content"]
    ids = tokenize(real_service, prompt=text, add_special_tokens=False)
    assert value["usage"]["completion_tokens"] == len(ids) + 1


@real("tensorrt_llm", gpus=1)
async def test_a_rank_that_dies_is_told() -> None:
    with started() as service:
        assert engine_processes(service)
        assert_capital(service)
        await assert_death_is_told(service)


@real("tensorrt_llm", gpus=2)
async def test_two_gpus_share_the_model() -> None:
    with started(tensor_parallel_size=2) as service:
        assert len(engine_processes(service)) >= 2
        assert_capital(service)
        await assert_death_is_told(service)
