"""A body becomes sampling values: defaults, limits and gaps."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from common.engine import Engine
from common.errors import ContextLengthExceeded, InvalidValue, UnsupportedParameter
from common.http.parameters import Parameters
from common.http.schemas import GenerateBody
from common.sampling import Sampling
from common.serving.capabilities import NEUTRAL, Capabilities, check_logprobs, default_values
from common.text.vocabulary import Vocabulary


def sampling(
    body: dict[str, Any],
    prompt_tokens: int = 10,
    defaults: dict[str, Any] | None = None,
    unsupported: dict[str, str] | None = None,
) -> Sampling:
    parameters = Parameters(
        Capabilities("echo", unsupported or {}),
        {**NEUTRAL, **(defaults or {})},
        frozenset([2]),
        max_model_len=2048,
        vocabulary=Vocabulary(100, 100),
    )
    parsed = GenerateBody.model_validate({"prompt": "a", **body})
    return parameters.sampling(parsed, [[5] * prompt_tokens], max_tokens=parsed.max_tokens)


def test_an_empty_body_takes_the_defaults() -> None:
    assert sampling({}) == Sampling(max_tokens=1024, end_token_ids=frozenset([2]))
    values = sampling({}, defaults={"temperature": 0.6, "top_p": 0.9})
    assert (values.temperature, values.top_p) == (0.6, 0.9)


def test_a_given_value_wins_over_the_models_default() -> None:
    assert sampling({"temperature": 0}, defaults={"temperature": 0.6}).temperature == 0
    assert sampling({"top_k": -1}, defaults={"top_k": 40}).top_k == 0
    assert sampling({"top_k": None}, defaults={"top_k": 40}).top_k == 40


@pytest.mark.parametrize(("prompt", "expected"), [(10, 1024), (1024, 1024), (2000, 48), (2047, 1)])
def test_without_max_tokens_it_is_1024_or_what_is_left(prompt: int, expected: int) -> None:
    assert sampling({}, prompt).max_tokens == expected


@pytest.mark.parametrize(("prompt", "limit"), [(2048, None), (3000, None), (2000, 49), (10, 2039)])
def test_the_error_of_what_does_not_fit_has_both_numbers(prompt: int, limit: int | None) -> None:
    with pytest.raises(ContextLengthExceeded) as caught:
        sampling({"max_tokens": limit}, prompt)
    assert str(prompt) in caught.value.message
    assert "2048" in caught.value.message
    assert limit is None or str(limit) in caught.value.message


def test_what_just_fits_is_taken() -> None:
    assert sampling({"max_tokens": 48}, 2000).max_tokens == 48


def test_an_empty_prompt_is_refused() -> None:
    with pytest.raises(InvalidValue, match="empty"):
        sampling({}, 0)


def test_end_tokens_are_the_models_and_the_requests() -> None:
    assert sampling({"stop_token_ids": [7]}).end_token_ids == {2, 7}
    assert sampling({"stop_token_ids": [7], "ignore_eos": True}).end_token_ids == {7}
    assert sampling({"ignore_eos": True}).end_token_ids == frozenset()


@pytest.mark.parametrize("body", [{"stop_token_ids": [100]}, {"logit_bias": {"100": 1}}])
def test_ids_outside_the_vocabulary_are_refused(body: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue, match="0 to 99") as caught:
        sampling(body)
    assert caught.value.param == next(iter(body))


def test_min_tokens_may_not_be_more_than_max_tokens() -> None:
    assert sampling({"min_tokens": 5, "max_tokens": 5}).min_tokens == 5
    with pytest.raises(InvalidValue, match="at most") as caught:
        sampling({"min_tokens": 6, "max_tokens": 5})
    assert caught.value.param == "min_tokens"


@pytest.mark.parametrize("seed", [0, 5, -1, -(2**63), 2**63 - 1])
def test_a_seed_of_any_sign_becomes_a_positive_one(seed: int) -> None:
    positive = sampling({"seed": seed}).seed
    assert positive is not None
    assert 0 <= positive < 2**63


def test_json_is_asked_for_as_a_schema() -> None:
    assert sampling({"response_format": {"type": "text"}}).json_schema is None
    assert sampling({"response_format": {"type": "json_object"}}).json_schema == {"type": "object"}
    named = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "array"}}}
    assert sampling({"response_format": named}).json_schema == {"type": "array"}


@pytest.mark.parametrize(
    ("name", "value", "neutral"),
    [
        ("top_k", 5, -1),
        ("temperature", 0.5, 1.0),
        ("logit_bias", {"5": 1}, {}),
        ("response_format", {"type": "json_object"}, {"type": "text"}),
        ("ignore_eos", True, False),
        ("stop_token_ids", [5], []),
        ("seed", 0, None),
    ],
)
def test_a_gap_refuses_only_what_would_change_the_output(
    name: str, value: Any, neutral: Any
) -> None:
    gap = {name: "there is no way"}
    with pytest.raises(UnsupportedParameter, match="there is no way") as caught:
        sampling({name: value}, unsupported=gap)
    assert caught.value.param == name
    sampling({name: neutral}, unsupported=gap)
    sampling({}, unsupported=gap)


def engine(generation_config: dict[str, Any], unsupported: dict[str, str]) -> Engine:
    model = SimpleNamespace(generation_config=generation_config)
    named = SimpleNamespace(model=model, name="some", gaps=lambda: unsupported)
    return cast(Engine, named)


def test_a_models_default_is_left_out_where_the_engine_cannot_honour_it() -> None:
    config = {"temperature": 0.6, "top_k": 20, "top_p": None, "do_sample": True}
    assert default_values(engine(config, {"top_k": "there is no way"})) == {
        "temperature": 0.6,
        "top_p": 1.0,
        "top_k": 0,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
    }


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ({}, True),
        ({"temperature": 0.0, "top_p": 0.5, "top_k": 3}, True),
        ({"seed": 7}, True),
        ({"temperature": 0.5}, False),
        ({"top_p": 0.9}, False),
        ({"top_k": 5}, False),
        ({"min_p": 0.1}, False),
        ({"temperature": 0.0, "repetition_penalty": 1.1}, False),
        ({"frequency_penalty": 0.1}, False),
        ({"logit_bias": {1: 2.0}}, False),
        ({"json_schema": {"type": "object"}}, False),
    ],
)
def test_probabilities_are_the_models_own_where_sampling_changes_none(
    values: dict[str, Any], kept: bool
) -> None:
    given = Sampling(max_tokens=1, logprobs=1, **values)
    assert given.keeps_probabilities == kept
    if kept:
        check_logprobs(given, "some engine")
    else:
        with pytest.raises(UnsupportedParameter, match="some engine"):
            check_logprobs(given, "some engine")
