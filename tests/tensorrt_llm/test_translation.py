"""Each field in TensorRT-LLM's own terms, and its results in those of common/."""

import json
from random import Random
from typing import Any

import pytest

from common.call_grammar import CallGrammar, CallText
from common.engine import Chunk
from common.errors import EngineDead, InternalError, InvalidValue
from common.reasoning_text import ReasoningText
from common.sampling import Sampling
from services._tensorrt_llm.request import (
    LIMITS,
    Dialect,
    chunk,
    failure,
    sampling_params,
)
from services._xgrammar.forms import check_form
from services._xgrammar.structural_tag import structural_tag
from tests.tensorrt_llm.support import END

VOCABULARY = 50_000
PROMPT = 7


def calls_of(schema: dict[str, Any]) -> CallGrammar:
    return CallGrammar((CallText("<a>", schema, "</a>"),), "")


def dialect(*, cpp: bool = True, ends: tuple[int, ...] = (END,)) -> Dialect:
    return Dialect(cpp, VOCABULARY, frozenset(ends), Random(0))


def translated(*, cpp: bool = True, model_ends: tuple[int, ...] = (END,), **fields: Any) -> Any:
    sampling = Sampling(**{"max_tokens": 9, "end_token_ids": frozenset({END}), **fields})
    return sampling_params(sampling, PROMPT, dialect(cpp=cpp, ends=model_ends))


def test_nothing_is_left_to_the_engines_defaults() -> None:
    params = translated()
    assert (params.max_tokens, params.temperature, params.top_p, params.top_k) == (9, 1.0, 1.0, 0)
    assert (params.end_id, params.pad_id, params.stop_token_ids) == (END, END, None)
    assert params.min_tokens == 0
    assert params.seed is not None
    assert params.detokenize is False
    assert params.ignore_eos is False
    for name in ("min_p", "repetition_penalty", "presence_penalty", "prompt_ignore_length"):
        assert getattr(params, name) is None, name


def test_greedy_is_a_choice_among_one_token() -> None:
    params = translated(temperature=0.0, top_k=40, min_p=0.5)
    assert (params.temperature, params.top_k, params.top_p) == (1.0, 1, 1.0)
    assert params.min_p is None


def test_sampling_fields_keep_their_values() -> None:
    params = translated(temperature=0.5, top_p=0.9, top_k=5, min_p=0.1, repetition_penalty=1.2)
    assert (params.temperature, params.top_p, params.top_k) == (0.5, 0.9, 5)
    assert (params.min_p, params.repetition_penalty) == (0.1, 1.2)


def test_penalties_are_made_up_for_the_temperature_and_leave_the_prompt_out() -> None:
    params = translated(temperature=0.5, presence_penalty=1.0, frequency_penalty=-0.5)
    assert (params.presence_penalty, params.frequency_penalty) == (2.0, -1.0)
    assert params.prompt_ignore_length == PROMPT
    greedy = translated(temperature=0.0, presence_penalty=1.0)
    assert greedy.presence_penalty == 1.0


def test_a_seed_is_kept_and_requests_without_one_differ() -> None:
    assert translated(seed=5).seed == 5
    assert translated(seed=-1).seed == 2**64 - 1
    spoken = dialect()
    free = {sampling_params(Sampling(max_tokens=1), 1, spoken).seed for _ in range(50)}
    assert len(free) == 50


def test_top_k_beyond_the_kernels_is_the_whole_vocabulary_or_refused() -> None:
    assert translated(top_k=1024).top_k == 1024
    assert translated(top_k=VOCABULARY).top_k == 0
    assert translated(top_k=2**31 - 1).top_k == 0
    assert translated(top_k=1025, cpp=False).top_k == 1025
    with pytest.raises(InvalidValue, match="at most 1024") as refused:
        translated(top_k=1025)
    assert refused.value.param == "top_k"


def test_the_models_end_is_the_end_id_and_other_ends_are_stop_tokens() -> None:
    params = translated(end_token_ids=frozenset({1, END, 9}))
    assert (params.end_id, params.stop_token_ids) == (END, [1, 9])
    assert params.include_stop_str_in_output is True


def test_without_ends_no_token_ends_the_answer() -> None:
    params = translated(end_token_ids=frozenset())
    assert (params.end_id, params.pad_id, params.stop_token_ids) == (-1, 0, None)
    params = translated(end_token_ids=frozenset({9}))
    assert (params.end_id, params.stop_token_ids) == (9, None)


def test_min_tokens_hold_back_the_one_end_and_are_refused_with_several() -> None:
    assert translated(min_tokens=4).min_tokens == 4
    assert translated(min_tokens=4, end_token_ids=frozenset()).min_tokens == 0
    with pytest.raises(InvalidValue, match="at most 1 together with min_tokens") as refused:
        LIMITS.check(Sampling(8, min_tokens=4, end_token_ids=frozenset({1, END})), "any")
    assert refused.value.param == "stop_token_ids"
    with pytest.raises(InvalidValue, match="together with response_format"):
        translated(min_tokens=4, json_schema={"type": "object"})


def test_a_document_may_always_end() -> None:
    schema = {"type": "object"}
    params = translated(json_schema=schema, end_token_ids=frozenset())
    assert params.end_id == END
    assert params.guided_decoding.json == schema
    assert params.guided_decoding.json_object is False


def test_a_bias_is_a_number_for_every_token() -> None:
    bias = translated(logit_bias={5: 1.5, 7: -100}).embedding_bias
    assert list(bias.shape) == [VOCABULARY]
    assert {i: float(bias[i]) for i in bias.nonzero().flatten().tolist()} == {5: 1.5, 7: -100.0}
    assert translated().embedding_bias is None


def test_the_torch_sampler_is_not_asked_for_what_it_ignores() -> None:
    params = translated(cpp=False)
    for name in ("seed", "min_tokens", "presence_penalty", "prompt_ignore_length"):
        assert getattr(params, name) is None, name


def test_a_schema_that_is_none_never_reaches_the_engine() -> None:
    check_form(Sampling(9, json_schema={"type": "object"}))
    check_form(Sampling(9, json_schema={"type": "string", "maxLength": 3}))
    check_form(Sampling(9, calls=calls_of({"type": "object"})))
    with pytest.raises(InvalidValue, match="refuses the schema") as refused:
        check_form(Sampling(9, json_schema={"type": "nonsense"}))
    assert refused.value.param == "response_format"
    with pytest.raises(InvalidValue, match="refuses the schema") as refused:
        check_form(Sampling(9, calls=calls_of({"type": "nonsense"})))
    assert refused.value.param == "tools"


def test_a_form_behind_reasoning_is_a_structural_tag() -> None:
    form: dict[str, Any] = {"json_schema": {"type": "object"}}
    form["reasoning"] = ReasoningText("<think>", "</think>", bare="")
    guided = translated(**form, end_token_ids=frozenset()).guided_decoding
    assert json.loads(guided.structural_tag) == structural_tag(Sampling(1, **form))
    assert guided.json is None


def test_calls_are_a_structural_tag() -> None:
    grammar = calls_of({"type": "object"})
    guided = translated(calls=grammar, end_token_ids=frozenset()).guided_decoding
    assert json.loads(guided.structural_tag) == structural_tag(Sampling(1, calls=grammar))
    with pytest.raises(InvalidValue, match="ends by itself"):
        translated(min_tokens=4, calls=grammar)


class Result:
    """The part of a RequestOutput that `chunk` reads."""

    def __init__(
        self, ids: list[int], finish: str | None = None, stop: int | None = None, before: int = 0
    ) -> None:
        from tensorrt_llm.executor import CompletionOutput

        self.cached_tokens = 3
        output = CompletionOutput(0, token_ids=ids, finish_reason=finish, stop_reason=stop)
        output._last_token_ids_len = before
        self.outputs = [output]


def test_a_chunk_keeps_its_ids_when_the_result_goes_on() -> None:
    params, ids = translated(), [5, 6]
    piece = chunk(Result(ids), params, has_cached_tokens=True)
    ids.append(7)
    assert piece == Chunk([5, 6])


@pytest.mark.parametrize(
    ("ids", "finish", "stop", "expected"),
    [
        ([5], "length", None, Chunk([5], finish_reason="length", cached_tokens=3)),
        # The C++ sampler leaves the end token out, the other one does not.
        ([], "stop", None, Chunk([END], finish_reason="stop", cached_tokens=3)),
        ([5], "stop", None, Chunk([5, END], finish_reason="stop", cached_tokens=3)),
        ([5, END], "stop", None, Chunk([5, END], finish_reason="stop", cached_tokens=3)),
        ([5, 9], "stop", 9, Chunk([5, 9], finish_reason="stop", cached_tokens=3)),
        ([5, 9], "length", None, Chunk([5, 9], finish_reason="stop", cached_tokens=3)),
    ],
)
def test_the_last_chunk_has_the_end_token(
    ids: list[int], finish: str, stop: int | None, expected: Chunk
) -> None:
    params = translated(end_token_ids=frozenset({END, 9}))
    assert chunk(Result(ids, finish, stop), params, has_cached_tokens=True) == expected


@pytest.mark.parametrize("finish", ["stop", "length"])
@pytest.mark.parametrize("end", [END, 9])
def test_a_last_result_without_ids_adds_no_second_end_token(finish: str, end: int) -> None:
    params = translated(end_token_ids=frozenset({END, 9}))
    stop = 9 if (finish, end) == ("stop", 9) else None
    piece = chunk(Result([5, end], finish, stop, before=2), params, has_cached_tokens=True)
    reason = "length" if (finish, end) == ("length", END) else "stop"
    assert (piece.token_ids, piece.finish_reason) == ([], reason)


def test_an_engine_that_does_not_tell_of_its_cache_is_not_believed() -> None:
    assert chunk(Result([5], "length"), translated(), has_cached_tokens=False).cached_tokens is None


@pytest.mark.parametrize("reason", ["cancelled", "timeout"])
def test_another_end_is_an_error(reason: str) -> None:
    with pytest.raises(InternalError, match=reason):
        chunk(Result([], reason), translated(), has_cached_tokens=True)


def test_a_broken_cuda_context_is_the_engines_death_and_other_failures_are_not() -> None:
    assert isinstance(failure(RuntimeError("CUDA error: illegal address")), EngineDead)
    assert isinstance(failure(RuntimeError("CUDA out of memory")), InternalError)
