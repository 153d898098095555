"""What TGI is asked for each value of Sampling, checked by its document; what its events mean."""

import json
import math
from typing import Any

import pytest

from common.errors import InternalError, InvalidValue, Overloaded
from common.sampling import Sampling
from services._tgi.prompt import Prompt
from services._tgi.request import (
    finish_reason,
    request_body,
    sampling_parameters,
    service_error,
    token_logprob,
)
from tests.doubles.tgi.tgi_double.schema import problem
from tests.doubles.tgi.tgi_double.validation import Limits, check_parameters

LIMITS = Limits(4096, 4095, 4, 20)
ENDS = frozenset({2})
ALL = Sampling(
    max_tokens=100,
    temperature=0.7,
    top_p=0.9,
    top_k=40,
    repetition_penalty=1.1,
    seed=7,
    logprobs=5,
    json_schema={"type": "object"},
)


def parameters(**values: Any) -> dict[str, Any]:
    return sampling_parameters(Sampling(100, **values))


@pytest.mark.parametrize("sampling", [Sampling(1), Sampling(1, temperature=0), ALL], ids=repr)
def test_every_request_is_one_by_the_document_and_the_routers_checks(sampling: Sampling) -> None:
    body = json.loads(request_body(Prompt("Hello", 3), sampling, 1, 0))
    assert problem("GenerateRequest", body) is None
    check_parameters(body["parameters"], LIMITS)


def test_an_adapter_is_named_as_the_document_has_it() -> None:
    body = json.loads(request_body(Prompt("Hello"), Sampling(1), 1, 0, "terse"))
    assert problem("GenerateRequest", body) is None
    assert body["parameters"]["adapter_id"] == "terse"


def test_neutral_values_are_left_out() -> None:
    assert parameters() == {"details": True, "do_sample": True}


def test_greedy_is_asked_for_by_no_value_that_means_sampling() -> None:
    greedy = parameters(temperature=0, top_p=0.5, top_k=5, seed=1)
    assert greedy == {"details": True, "do_sample": False}


def test_each_value_has_tgis_name() -> None:
    values = sampling_parameters(ALL)
    assert values.pop("grammar")["type"] == "regex"
    assert values.pop("top_p") == pytest.approx(0.9)
    assert values == {
        "details": True,
        "do_sample": True,
        "temperature": 0.7,
        "top_k": 40,
        "repetition_penalty": 1.1,
        "seed": 8,
        "top_n_tokens": 5,
    }


@pytest.mark.parametrize("top_p", [1.0, 1 - 1e-9])
def test_a_top_p_that_is_one_in_32_bits_is_left_out(top_p: float) -> None:
    assert "top_p" not in parameters(top_p=top_p)


def test_no_value_is_rounded_to_one_that_is_refused() -> None:
    values = parameters(top_p=1e-300, top_k=10**12)
    assert 0 < values["top_p"] < 1e-30
    assert values["top_k"] == 2**31 - 1


def test_seeds_are_positive_and_differ_for_the_rest_of_an_answer() -> None:
    seeds = {
        sampling_parameters(Sampling(1, seed=seed), generated)["seed"]
        for seed in (0, 1, 2**63 - 2)
        for generated in (0, 1, 1024)
    }
    assert len(seeds) == 9
    assert all(0 < seed < 2**63 for seed in seeds)


def test_only_the_chosen_tokens_logprob_needs_no_top_tokens() -> None:
    assert "top_n_tokens" not in parameters(logprobs=0)


def test_a_document_longer_than_tgi_can_constrain_is_refused() -> None:
    with pytest.raises(InvalidValue, match="at most 1024"):
        sampling_parameters(Sampling(1025, json_schema={"type": "object"}))


@pytest.mark.parametrize(
    ("token_id", "ended", "generated", "json_schema", "expected"),
    [
        (5, False, 3, None, None),
        (2, True, 3, None, "stop"),
        (2, False, 3, None, "stop"),
        (5, True, 10, None, "length"),
        (2, True, 10, None, "stop"),
        (3, True, 4, None, None),
        (3, True, 4, {}, "stop"),
        (5, True, 10, {}, "length"),
    ],
)
def test_an_answer_ends_at_the_requests_end_tokens_and_its_limit_alone(
    token_id: int, ended: bool, generated: int, json_schema: Any, expected: str | None
) -> None:
    sampling = Sampling(10, end_token_ids=ENDS, json_schema=json_schema)
    assert finish_reason(token_id, ended, generated, sampling) == expected


def test_logprobs_are_those_asked_for_and_null_is_a_probability_of_zero() -> None:
    event = {
        "token": {"id": 4, "logprob": None},
        "top_tokens": [
            {"id": 6, "logprob": -0.5},
            {"id": 7, "logprob": -1},
            {"id": 8, "logprob": -1},
        ],
    }
    assert token_logprob(event, 2) == (4, -math.inf, [(6, -0.5), (7, -1)])
    assert token_logprob({"token": {"id": 4, "logprob": -1.5}}, 0) == (4, -1.5, [])


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("validation", InvalidValue),
        ("overloaded", Overloaded),
        ("generation", InternalError),
        ("incomplete_generation_stream", InternalError),
        ("new", InternalError),
    ],
)
def test_each_kind_of_error_is_one_of_ours(kind: str, expected: type[Exception]) -> None:
    error = service_error({"error": "it\nfailed", "error_type": kind})
    assert type(error) is expected
    assert "\n" not in error.message
