"""Responses of the model `tensorrt_llm` as chunks. The fields are those of ModelInferResponse."""

import struct
import tracemalloc
from types import SimpleNamespace
from typing import Any

import pytest

from common.errors import InternalError, InvalidValue
from common.sampling import Sampling
from services._triton.request import Part, chunk, runtime_top_k, service_error

PART = Part([1, 2], max_tokens=4, seed=0, ends=frozenset({7}))


def response(ids: list[int], logprobs: list[float] | None = None, *, final: bool = False) -> Any:
    outputs = {"sequence_length": struct.pack("i", len(ids)), "output_ids": packed("i", ids)}
    if logprobs is not None:
        outputs["output_log_probs"] = packed("f", logprobs)
    return SimpleNamespace(
        outputs=[SimpleNamespace(name=name) for name in outputs],
        raw_output_contents=list(outputs.values()),
        parameters={"triton_final_response": SimpleNamespace(bool_param=final)},
    )


def packed(kind: str, values: list[Any]) -> bytes:
    return struct.pack(f"{len(values)}{kind}", *values)


def test_new_tokens_have_the_last_of_the_log_probabilities_so_far() -> None:
    piece = chunk(response([5, 6], [-0.25, -0.5, -1.0]), PART, 1, None, with_logprobs=True)
    assert piece.token_ids == [5, 6]
    assert piece.logprobs is not None
    assert [(entry.token_id, entry.logprob) for entry in piece.logprobs] == [(5, -0.5), (6, -1.0)]
    assert piece.finish_reason is None


@pytest.mark.parametrize(
    ("ids", "generated", "reason"), [([7], 1, "stop"), ([3], 3, "length"), ([7], 3, "stop")]
)
def test_the_reason_follows_from_the_last_token_and_the_count(
    ids: list[int], generated: int, reason: str
) -> None:
    piece = chunk(response(ids, final=True), PART, generated, None, with_logprobs=False)
    assert piece.finish_reason == reason


@pytest.mark.parametrize(("generated", "last", "reason"), [(2, 7, "stop"), (4, 3, "length")])
def test_a_final_response_without_ids_ends_as_the_one_before_it(
    generated: int, last: int, reason: str
) -> None:
    piece = chunk(response([], final=True), PART, generated, last, with_logprobs=False)
    assert (piece.token_ids, piece.finish_reason) == ([], reason)


@pytest.mark.parametrize("ids", [[], [3]])
def test_an_end_that_nothing_explains_is_an_error(ids: list[int]) -> None:
    with pytest.raises(InternalError, match="of 4 tokens without an end"):
        chunk(response(ids, final=True), PART, 1, None, with_logprobs=False)


def test_a_prompt_that_is_too_long_is_the_clients_mistake() -> None:
    text = "Executor failed: Prompt length (9) exceeds maximum input length (8).\nMore"
    assert isinstance(service_error(Exception(text)), InvalidValue)
    assert isinstance(service_error(Exception("CUDA out of memory")), InternalError)


@pytest.mark.parametrize(
    ("temperature", "top_k", "expected"), [(0, 50, 1), (1, 0, 0), (1, 50, 50), (1, 1024, 1024)]
)
def test_greedy_is_the_likeliest_of_one(temperature: float, top_k: int, expected: int) -> None:
    sampling = Sampling(1, temperature=temperature, top_k=top_k)
    assert runtime_top_k(sampling, 32000) == expected


def test_more_than_the_engines_kernel_can_rank_is_refused_unless_it_is_everything() -> None:
    sampling = Sampling(1, top_k=1025)
    with pytest.raises(InvalidValue, match="allowed are 1 to 1024"):
        runtime_top_k(sampling, 32000)
    assert runtime_top_k(sampling, 1025) == 0


def test_the_log_probabilities_of_a_long_answer_are_not_all_made_anew_for_each_token() -> None:
    """Each response has those of all tokens so far."""
    answer = response([5], [-0.5] * 100_000)
    tracemalloc.start()
    try:
        piece = chunk(answer, PART, 99_999, None, with_logprobs=True)
        assert tracemalloc.get_traced_memory()[1] < 10_000
    finally:
        tracemalloc.stop()
    assert piece.logprobs is not None
    assert [entry.logprob for entry in piece.logprobs] == [-0.5]
