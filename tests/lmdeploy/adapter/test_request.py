"""What LMDeploy is asked for each sampling value, and what its answers become."""

import copy
import pickle
from typing import Any

import pytest
import torch

from common.engine import TokenLogprob
from common.errors import ContextLengthExceeded, InternalError, InvalidValue
from common.reasoning_text import ReasoningText
from common.sampling import Sampling
from services._lmdeploy.config import Backend
from services._lmdeploy.request import (
    LogitBias,
    chunk,
    client_error,
    generation_config,
    restore_ends,
)
from services._xgrammar.structural_tag import structural_tag
from tests.real_packages.samplings import CALLS

VOCABULARY = 32000
SEED = 7
BOTH: list[Backend] = ["turbomind", "pytorch"]


def asked(backend: Backend = "turbomind", **values: Any) -> Any:
    return generation_config(Sampling(**{"max_tokens": 9, **values}), backend, VOCABULARY, SEED)


def after_preprocess(config: Any) -> Any:
    """LMDeploy adds the EOS of the model's files, here 2, to a copy."""
    prepared = copy.deepcopy(config)
    prepared.stop_token_ids = sorted({2, *(config.stop_token_ids or ())})
    restore_ends(prepared, config)
    return prepared


@pytest.mark.parametrize("backend", BOTH)
def test_temperature_decides_whether_it_samples(backend: Backend) -> None:
    assert asked(backend, temperature=0.0).do_sample is False
    config = asked(backend, temperature=0.7, top_p=0.5, top_k=5, min_p=0.1)
    assert config.do_sample is True
    assert (config.temperature, config.top_p, config.top_k, config.min_p) == (0.7, 0.5, 5, 0.1)


def test_none_of_lmdeploys_own_defaults_is_left() -> None:
    config = asked()
    assert (config.temperature, config.top_k, config.max_new_tokens) == (1.0, 0, 9)


def test_a_greedy_answer_keeps_its_repetition_penalty() -> None:
    """LMDeploy sets it to 1 wherever do_sample is off."""
    config = asked(temperature=0.0, repetition_penalty=1.3, top_p=0.5, min_p=0.5)
    assert config.do_sample is True
    assert (config.top_k, config.temperature, config.repetition_penalty) == (1, 1.0, 1.3)
    assert (config.top_p, config.min_p) == (1.0, 0.0)


@pytest.mark.parametrize("backend", BOTH)
def test_top_k_of_the_whole_vocabulary_is_off(backend: Backend) -> None:
    assert asked(backend, top_k=VOCABULARY).top_k == 0
    assert asked(backend, top_k=2**31 - 1).top_k == 0


def test_top_k_that_would_end_turbominds_process_is_refused() -> None:
    assert asked(top_k=1024).top_k == 1024
    with pytest.raises(InvalidValue, match="at most 1024") as refused:
        asked(top_k=1025)
    assert refused.value.param == "top_k"
    assert asked("pytorch", top_k=1025).top_k == 1025


def test_a_seed_is_the_requests_or_the_services() -> None:
    assert asked(seed=2**63 - 1).random_seed == 2**63 - 1
    assert asked(seed=0).random_seed == 0
    assert asked().random_seed == SEED


@pytest.mark.parametrize("backend", BOTH)
def test_exactly_the_end_tokens_end_an_answer(backend: Backend) -> None:
    prepared = after_preprocess(asked(backend, end_token_ids=frozenset({9, 5})))
    assert prepared.stop_token_ids == [5, 9]
    assert prepared.ignore_eos is False
    assert prepared.include_stop_str_in_output is True


def test_without_end_tokens_nothing_ends_an_answer_and_nothing_is_forbidden() -> None:
    """The PyTorch engine forbids what it ignores; TurboMind heeds no stop token then."""
    prepared = after_preprocess(asked("pytorch"))
    assert (prepared.ignore_eos, prepared.stop_token_ids) == (False, [])
    assert after_preprocess(asked()).ignore_eos is True


@pytest.mark.parametrize("backend", BOTH)
def test_a_document_ends_with_the_tokenizers_own_end_token(backend: Backend) -> None:
    prepared = after_preprocess(
        asked(backend, end_token_ids=frozenset({5}), json_schema={"type": "object"})
    )
    assert prepared.stop_token_ids == [2, 5]
    assert prepared.ignore_eos is False


def test_min_tokens_are_the_same_on_both_engines() -> None:
    """Where TurboMind's minimum is reached, the end may be the token that reaches it."""
    ends = frozenset({5})
    assert asked("pytorch", min_tokens=3, end_token_ids=ends).min_new_tokens == 3
    assert asked("turbomind", min_tokens=3, end_token_ids=ends).min_new_tokens == 4
    assert asked("turbomind", min_tokens=3).min_new_tokens == 0


@pytest.mark.parametrize(
    ("values", "param"),
    [
        ({"end_token_ids": frozenset({0}), "min_tokens": 1}, "min_tokens"),
        ({"min_tokens": 1, "json_schema": {"type": "object"}}, "min_tokens"),
        ({"min_tokens": 1, "calls": CALLS}, "min_tokens"),
    ],
)
def test_what_turbomind_would_silently_leave_out_is_refused(
    values: dict[str, Any], param: str
) -> None:
    with pytest.raises(InvalidValue) as refused:
        asked(**values)
    assert refused.value.param == param


def test_a_schema_is_wrapped_as_lmdeploy_wants_it() -> None:
    schema = {"type": "object"}
    assert asked(json_schema=schema).response_format == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": schema},
    }
    content = {"type": "json_schema", "json_schema": schema, "max_whitespace_cnt": 1}
    compact = {"type": "structural_tag", "format": content}
    assert asked("pytorch", json_schema=schema).response_format == compact
    assert asked().response_format is None


def test_a_form_behind_reasoning_is_a_structural_tag() -> None:
    form: dict[str, Any] = {"json_schema": {"type": "object"}}
    form["reasoning"] = ReasoningText("<think>", "</think>", bare="")
    config = asked(**form)
    assert config.response_format == structural_tag(Sampling(1, **form))


def test_calls_are_a_structural_tag() -> None:
    config = asked(calls=CALLS)
    assert config.response_format == structural_tag(Sampling(1, calls=CALLS))
    assert config.ignore_eos is False


def test_logprobs_of_the_chosen_token_only_are_asked_for_as_one() -> None:
    assert asked("pytorch", logprobs=0).logprobs == 1
    assert asked("pytorch", logprobs=5).logprobs == 5
    assert asked("pytorch").logprobs is None


def test_a_bias_is_added_by_a_processor_that_survives_copy_and_pickle() -> None:
    (processor,) = asked("pytorch", logit_bias={3: 2.5, 1: -100.0}).logits_processors
    for same in (processor, copy.deepcopy(processor), pickle.loads(pickle.dumps(processor))):
        batch = torch.zeros(2, 5, dtype=torch.bfloat16)
        batch[1] = same(torch.zeros(1, dtype=torch.int64), batch[1])
        assert batch.tolist() == [[0.0] * 5, [0.0, -100.0, 0.0, 2.5, 0.0]]
    assert isinstance(processor, LogitBias)
    assert asked("pytorch").logits_processors is None


def output(**values: Any) -> Any:
    from lmdeploy.serve.core.async_engine import GenOut

    return GenOut(**{"response": "", "input_token_len": 1, "generate_token_len": 1, **values})


def test_the_end_token_is_the_last_id_of_the_last_chunk() -> None:
    last = chunk(output(token_ids=[2], finish_reason="stop", cached_tokens=4), None)
    assert (list(last.token_ids), last.finish_reason, last.cached_tokens) == ([2], "stop", 4)
    assert chunk(output(token_ids=[7, 8]), None).finish_reason is None


@pytest.mark.parametrize("reason", ["abort", "error"])
def test_an_aborted_answer_never_looks_finished(reason: str) -> None:
    with pytest.raises(InternalError, match=reason):
        chunk(output(token_ids=[], finish_reason=reason), None)


def test_logprobs_are_ranked_and_the_chosen_token_is_told_apart() -> None:
    """LMDeploy puts it first, and gives one more where it is not among the likeliest."""
    entries = [{5: -3.0, 1: -0.1, 2: -2.0}, {1: -0.1, 2: -2.0}]
    logprobs = chunk(output(token_ids=[5, 1], logprobs=entries), 2).logprobs
    top = [(1, -0.1), (2, -2.0)]
    assert logprobs == [TokenLogprob(5, -3.0, top), TokenLogprob(1, -0.1, top)]
    alone = chunk(output(token_ids=[5], logprobs=[{5: -3.0, 1: -0.1}]), 0).logprobs
    assert alone == [TokenLogprob(5, -3.0, [])]


def test_what_lmdeploy_refuses_is_the_clients_error() -> None:
    from lmdeploy.serve.core import ErrorCode, RequestError

    kinds = {
        ErrorCode.INVALID_REQUEST: InvalidValue,
        ErrorCode.UNSUPPORTED_FEATURE: InvalidValue,
        ErrorCode.CONTEXT_LENGTH_EXCEEDED: ContextLengthExceeded,
    }
    for code in ErrorCode:
        error = client_error(RequestError(code, "because"))
        if code in kinds:
            assert type(error) is kinds[code]
            assert error.message.endswith("because")
        else:
            assert error is None
    assert client_error(ValueError()) is None
