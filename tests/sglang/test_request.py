"""SGLang's requests and answers, translated."""

import json
from itertools import islice, permutations
from types import SimpleNamespace
from typing import Any

import pytest

from common.engine import Chunk, TokenLogprob
from common.errors import InternalError, InvalidValue, Overloaded, ServiceError
from common.reasoning_text import ReasoningText
from common.sampling import Sampling
from services._sglang.request import (
    chunk,
    own_end_ids,
    request_ids,
    sampling_params,
    service_error,
)
from services._xgrammar.structural_tag import structural_tag
from tests.real_packages.samplings import CALLS

EOS = frozenset({2})


THOUGHT = ReasoningText("<think>", "</think>", bare="")


def params(own_ends: frozenset[int] = EOS, own_seed: int | None = None, **fields: Any) -> Any:
    """As attributes, of which those that are not given are not there."""
    fields = {"max_tokens": 7, "end_token_ids": EOS, **fields}
    return SimpleNamespace(**sampling_params(Sampling(**fields), own_ends, own_seed))


def answer(
    ids: list[int], reason: dict[str, Any] | None = None, **meta: Any
) -> dict[str, dict[str, Any] | list[int] | str]:
    return {
        "text": "not used",
        "output_ids": ids,
        "meta_info": {"finish_reason": reason, "cached_tokens": 3, **meta},
    }


def test_a_request_says_all_that_sglang_would_choose_by_itself() -> None:
    plain = params()
    assert (plain.max_new_tokens, plain.top_k, plain.min_new_tokens) == (7, -1, 0)
    assert (plain.stop_token_ids, plain.ignore_eos) == ([2], False)


def test_every_value_arrives_under_sglangs_name_for_it() -> None:
    given = params(
        temperature=0.7,
        top_p=0.8,
        top_k=9,
        min_p=0.05,
        presence_penalty=0.3,
        frequency_penalty=-0.4,
    )
    assert (given.temperature, given.top_p, given.top_k, given.min_p) == (0.7, 0.8, 9, 0.05)
    assert (given.presence_penalty, given.frequency_penalty) == (0.3, -0.4)


def test_a_bias_has_strings_for_keys_and_a_schema_is_text() -> None:
    assert params(logit_bias={5: 1.5}).logit_bias == {"5": 1.5}
    assert json.loads(params(json_schema={"type": "object"}).json_schema) == {"type": "object"}


def test_a_form_behind_reasoning_is_a_structural_tag() -> None:
    form: dict[str, Any] = {"json_schema": {"type": "object"}, "reasoning": THOUGHT}
    given = params(**form)
    assert json.loads(given.structural_tag) == structural_tag(Sampling(1, **form))
    assert not hasattr(given, "json_schema")


def test_calls_are_a_structural_tag_that_ends_the_answer() -> None:
    assert json.loads(params(calls=CALLS).structural_tag) == structural_tag(
        Sampling(1, calls=CALLS)
    )
    with pytest.raises(InvalidValue, match="end of the document or call"):
        params(min_tokens=1, calls=CALLS)


def test_sglangs_own_ends_are_ignored_unless_all_of_them_end_the_answer() -> None:
    assert not params(end_token_ids=EOS | {5}).ignore_eos
    assert params(end_token_ids=frozenset({5})).ignore_eos
    assert params(end_token_ids=frozenset()).ignore_eos
    assert params(EOS | {9}).ignore_eos
    assert not params(frozenset(), end_token_ids=frozenset()).ignore_eos


def test_min_tokens_mean_nothing_where_nothing_ends_the_answer() -> None:
    assert params(min_tokens=5).min_new_tokens == 5
    assert params(min_tokens=5, end_token_ids=frozenset()).min_new_tokens == 0


def test_min_tokens_with_a_document_are_refused() -> None:
    with pytest.raises(InvalidValue) as refused:
        params(min_tokens=1, json_schema={"type": "object"})
    assert refused.value.param == "min_tokens"


def test_min_tokens_that_would_also_put_off_an_ignored_end_are_refused() -> None:
    with pytest.raises(InvalidValue) as refused:
        params(min_tokens=1, end_token_ids=frozenset({5}))
    assert refused.value.param == "min_tokens"


def test_seeds_are_given_where_they_count_and_then_always() -> None:
    assert not hasattr(params(seed=5), "sampling_seed")
    assert params(seed=5, own_seed=8).sampling_seed == 5
    assert params(own_seed=8).sampling_seed == 8


def test_no_request_id_begins_with_another() -> None:
    ids = [
        number + client
        for number, client in zip(
            islice(request_ids(), 40), ["a", "a-", "a-0000", "HEALTH_CHECK"] * 10, strict=True
        )
    ]
    assert not any(one.startswith(other) for one, other in permutations(ids, 2))
    assert not any(one.startswith("HEALTH_CHECK") for one in ids)


def test_everything_that_ends_an_answer_of_the_engine_is_known() -> None:
    def manager(**tokenizer: Any) -> Any:
        config = SimpleNamespace(hf_eos_token_id={2, 3})
        return SimpleNamespace(model_config=config, tokenizer=SimpleNamespace(**tokenizer))

    assert own_end_ids(manager(eos_token_id=4, additional_stop_token_ids={5})) == {2, 3, 4, 5}
    assert own_end_ids(manager(eos_token_id=None, additional_stop_token_ids=None)) == {2, 3}
    assert own_end_ids(manager(eos_token_id=0)) == {0, 2, 3}


def test_an_answer_is_taken_as_it_comes() -> None:
    nothing: frozenset[int] = frozenset()
    assert chunk(answer([5, 6]), None, nothing) == Chunk([5, 6])
    stop = {"type": "stop", "matched": 2}
    assert chunk(answer([5, 2], stop), None, nothing) == Chunk(
        [5, 2], finish_reason="stop", cached_tokens=3
    )
    length = {"type": "length", "length": 7}
    assert chunk(answer([5], length), None, nothing).finish_reason == "length"


def test_an_answer_is_cut_behind_an_end_that_sglang_ignores() -> None:
    tokens = [(-0.1, 5, None), (-0.2, 7, None), (-0.3, 8, None)]
    tops = [[(-0.1, 5, None), (-2.0, 6, None)]] * 3
    output = answer([5, 7, 8], output_token_logprobs=tokens, output_top_logprobs=tops)
    top = [(5, -0.1), (6, -2.0)]
    expected = [TokenLogprob(5, -0.1, top), TokenLogprob(7, -0.2, top)]
    assert chunk(output, 2, frozenset({7})) == Chunk(
        [5, 7], logprobs=expected, finish_reason="stop", cached_tokens=3
    )
    assert chunk(output, None, frozenset({9})) == Chunk([5, 7, 8])


def test_the_chosen_tokens_log_probability_comes_alone() -> None:
    output = answer([5], output_token_logprobs=[(-0.5, 5, None)])
    assert chunk(output, 0, frozenset()).logprobs == [TokenLogprob(5, -0.5, ())]


@pytest.mark.parametrize(
    ("status", "expected"),
    [(400, InvalidValue), (503, Overloaded), (500, InternalError), (None, InternalError)],
)
def test_an_answer_that_was_given_up_is_an_error(
    status: int | None, expected: type[ServiceError]
) -> None:
    """Its last token comes a second time then."""
    reason = {"type": "abort", "message": "no\n room", "status_code": status}
    with pytest.raises(expected, match="no room"):
        chunk({"output_ids": [5], "meta_info": {"finish_reason": reason}}, None, frozenset())


def test_a_refusal_before_the_start_is_the_clients_doing() -> None:
    assert isinstance(service_error(ValueError("top_p must be in (0, 1]")), InvalidValue)
    assert isinstance(service_error(TypeError("unexpected keyword")), InternalError)
