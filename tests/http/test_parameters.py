"""A body becomes sampling values: defaults, limits and gaps."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from common.engine import Engine
from common.errors import ContextLengthExceeded, InvalidValue, UnsupportedParameter
from common.http.parameters import Parameters, has_wrapped_choice
from common.http.schemas import GenerateBody
from common.models.model import DEMO_MODEL
from common.sampling import Limits, Sampling
from common.serving.capabilities import NEUTRAL, Capabilities, check_logprobs, default_values
from common.text.tokenizer import Tokenizer
from common.text.vocabulary import Vocabulary

TOKENIZER = Tokenizer(DEMO_MODEL)


def sampling(
    body: dict[str, Any],
    prompt_tokens: int = 10,
    defaults: dict[str, Any] | None = None,
    unsupported: dict[str, str] | None = None,
    limits: Limits | None = None,
) -> Sampling:
    parameters = Parameters(
        Capabilities("echo", unsupported or {}),
        {**NEUTRAL, **(defaults or {})},
        frozenset([2]),
        max_model_len=2048,
        vocabulary=Vocabulary(100, 100),
        limits=limits or Limits(),
        tokenizer=TOKENIZER,
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


@pytest.mark.parametrize(("prompt", "limit"), [(2048, None), (3000, 5), (2000, 2049), (10, 9000)])
def test_the_error_of_what_does_not_fit_has_both_numbers(prompt: int, limit: int | None) -> None:
    with pytest.raises(ContextLengthExceeded) as caught:
        sampling({"max_tokens": limit}, prompt)
    assert str(prompt) in caught.value.message
    assert caught.value.message.startswith("This model's maximum context length is 2048 tokens.")
    assert (str(limit) in caught.value.message) == (limit is not None and limit > 2048)


@pytest.mark.parametrize("limit", [48, 49, 2048])
def test_max_tokens_up_to_the_context_length_are_cut_to_what_is_left(limit: int) -> None:
    assert sampling({"max_tokens": limit}, 2000).max_tokens == 48


def test_an_empty_prompt_is_refused() -> None:
    with pytest.raises(InvalidValue, match="the prompt is empty"):
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
    assert sampling({"min_tokens": 1500}).max_tokens == 1500
    with pytest.raises(InvalidValue, match="leaves 48 of 2048"):
        sampling({"min_tokens": 49}, 2000)


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


SCHEMA = {"type": "array"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"response_format": {"type": "json_object", "schema": SCHEMA}}, {"json_schema": SCHEMA}),
        ({"response_format": {"type": "json_object", "value": SCHEMA}}, {"json_schema": SCHEMA}),
        ({"structured_outputs": {"json": SCHEMA}}, {"json_schema": SCHEMA}),
        ({"structured_outputs": {"json_object": True}}, {"json_schema": {"type": "object"}}),
        ({"guided_json": '{"type": "array"}'}, {"json_schema": SCHEMA}),
        ({"json_schema": SCHEMA}, {"json_schema": SCHEMA}),
        ({"structured_outputs": {"regex": "a+"}}, {"regex": "a+"}),
        ({"guided_regex": "a+"}, {"regex": "a+"}),
        ({"regex": "a+"}, {"regex": "a+"}),
        ({"structured_outputs": {"grammar": "root ::= x"}}, {"grammar": "root ::= x"}),
        ({"guided_grammar": "root ::= x"}, {"grammar": "root ::= x"}),
        ({"ebnf": "root ::= x"}, {"grammar": "root ::= x"}),
        ({"grammar": "root ::= x"}, {"grammar": "root ::= x"}),
        ({"guided_choice": ["a", 'b"']}, {"grammar": 'root ::= "a" | "b\\""'}),
        ({"structured_outputs": {"choice": ["a"]}}, {"grammar": 'root ::= "a"'}),
        ({"structured_outputs": {"json_object": False}}, {}),
        ({"structured_outputs": {}}, {}),
    ],
)
def test_each_spelling_of_a_form_means_the_same(
    body: dict[str, Any], expected: dict[str, Any]
) -> None:
    values = sampling(body)
    forms = {"json_schema": None, "regex": None, "grammar": None, **expected}
    assert {name: getattr(values, name) for name in forms} == forms


def test_choices_are_a_schema_where_there_are_no_grammars() -> None:
    body = {"guided_choice": ["a", "b"]}
    values = sampling(body, unsupported={"grammar": "there is no way"})
    assert values.json_schema is not None
    assert values.json_schema["properties"] == {"answer": {"type": "string", "enum": ["a", "b"]}}
    assert has_wrapped_choice(GenerateBody.model_validate({"prompt": "a", **body}), values)
    with pytest.raises(UnsupportedParameter, match="guided_choice") as caught:
        sampling(body, unsupported={"grammar": "no way", "response_format": "no way at all"})
    assert caught.value.param == "guided_choice"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"guided_regex": "a", "response_format": {"type": "json_object"}}, "guided_regex"),
        ({"structured_outputs": {"regex": "a", "choice": ["a"]}}, "structured_outputs.regex"),
        ({"guided_json": "no JSON"}, "guided_json"),
        ({"guided_json": "5"}, "guided_json"),
        ({"regex": "a", "ignore_eos": True}, "ignore_eos"),
    ],
)
def test_a_form_is_one_and_a_whole_one(body: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        sampling(body)
    assert caught.value.param == param


def test_bad_words_are_barred_at_the_start_and_behind_a_space() -> None:
    words = sampling({"bad_words": ["cat"]}).bad_words
    assert {TOKENIZER.decode(ids) for ids in words} == {"cat", " cat"}


@pytest.mark.parametrize(
    ("name", "value", "neutral"),
    [
        ("regex", "a", None),
        ("grammar", "root ::= x", None),
        ("allowed_token_ids", [5], []),
        ("bad_words", ["a"], []),
        ("cache_salt", "a", None),
        ("priority", 1, 0),
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
        ({"regex": "a"}, False),
        ({"allowed_token_ids": (5,)}, False),
        ({"bad_words": ((5,),)}, False),
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


@pytest.mark.parametrize(
    ("limits", "fields", "message"),
    [
        (Limits(ends=3), {"stop_token_ids": [5, 6, 7]}, "4 tokens .* at most 3"),
        (Limits(ends=3), {"stop_token_ids": [2, 5, 6]}, None),
        (Limits(ends=3), {"stop_token_ids": [5, 6, 7], "ignore_eos": True}, None),
        (Limits(ends_with_min_tokens=1), {"stop_token_ids": [5]}, None),
        (Limits(ends_with_min_tokens=1), {"min_tokens": 1}, None),
        (
            Limits(ends_with_min_tokens=1),
            {"stop_token_ids": [5], "min_tokens": 1},
            "at most 1 together with min_tokens",
        ),
        (Limits(logit_bias=2), {"logit_bias": {"5": 1.0, "6": 1.0}}, None),
        (
            Limits(logit_bias=2),
            {"logit_bias": {"5": 1.0, "6": 1.0, "7": 0.0}},
            "logit_bias: 3 entries; the .* backend takes at most 2",
        ),
        (Limits(allowed_token_ids=2), {"allowed_token_ids": [5, 6, 6]}, None),
        (Limits(allowed_token_ids=2), {"allowed_token_ids": [5, 6, 7]}, "3 ids; .* at most 2"),
        (Limits(bad_words=3), {"bad_words": ["a", "b"]}, "4 sequences of tokens .* at most 3"),
        (Limits(bad_word_tokens=3), {"bad_words": ["Paris is"]}, "tokens; .* at most 3"),
        (Limits(bad_words=4, bad_word_tokens=20), {"bad_words": ["a", "b"]}, None),
    ],
)
def test_more_than_the_engine_takes_is_refused_with_the_limit(
    limits: Limits, fields: dict[str, Any], message: str | None
) -> None:
    if message is None:
        sampling(fields, limits=limits)
        return
    with pytest.raises(InvalidValue, match=message) as refused:
        sampling(fields, limits=limits)
    assert refused.value.param == next(iter(fields))
