"""What SGLang is particular about, over HTTP."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.support import (
    CHAT,
    COMPLETIONS,
    Body,
    answer,
    assert_error,
    model_card,
    post,
    text_of,
    tokenize,
)
from tests.service_process import Service, start_service
from tests.sglang.refusal import refusal

CONTEXT = 64
UNSURE = "Qxz fjord 9"
MISTAKES: dict[str, tuple[Body, tuple[str, ...]]] = {
    "misspelt": ({"mem_fraction_statik": 0.5}, ("did you mean 'mem_fraction_static'?",)),
    "reserved": ({"context_length": 64}, ("'context_length'", "use the setting 'max_model_len'")),
    "too small": ({"max_total_tokens": 100}, ("'max_model_len'", "allowed is at most 94")),
}


@pytest.fixture(scope="module")
def small() -> Iterator[Service]:
    """Of a short context."""
    with start_service("sglang", max_model_len=CONTEXT) as service:
        yield service


@pytest.fixture(scope="module")
def deterministic() -> Iterator[Service]:
    arguments = {"enable_deterministic_inference": True}
    with start_service("sglang", engine_args=arguments) as service:
        yield service


def complete(service: Service, prompt: list[int], **fields: Any) -> Body:
    response = service.http.post(COMPLETIONS, json={"prompt": prompt, **fields})
    assert response.status_code == 200, response.text
    value: Body = response.json()
    return value


@pytest.mark.parametrize("prompt_tokens", [1, CONTEXT - 4, CONTEXT - 1])
def test_the_whole_context_can_be_used(small: Service, prompt_tokens: int) -> None:
    """SGLang itself keeps some places back, and shortens answers without a word."""
    prompt = [5] * prompt_tokens
    left = CONTEXT - prompt_tokens
    value = complete(small, prompt, max_tokens=left, ignore_eos=True)
    assert value["usage"]["completion_tokens"] == left
    assert value["choices"][0]["finish_reason"] == "length"


def test_stop_tokens_end_an_answer_that_ignores_the_models_own_end(small: Service) -> None:
    """SGLang ignores them together."""
    prompt = tokenize(small, prompt=UNSURE, add_special_tokens=False)
    fields = {"max_tokens": 40, "temperature": 0, "ignore_eos": True, "logit_bias": {"2": 100}}
    endless = complete(small, prompt, **fields)
    assert endless["usage"]["completion_tokens"] == 40
    (seven,) = tokenize(small, prompt="7", add_special_tokens=False)
    biased = {**fields, "logit_bias": {str(seven): 100}}
    stopped = complete(small, prompt, **biased, stop_token_ids=[seven])
    assert stopped["usage"]["completion_tokens"] == 1
    assert stopped["choices"][0]["finish_reason"] == "stop"
    assert text_of(stopped) == ""
    late = {"prompt": prompt, **biased, "stop_token_ids": [seven], "min_tokens": 10}
    refused = small.http.post(COMPLETIONS, json=late)
    assert_error(refused, 400, "invalid_value", "min_tokens")


def test_a_repeated_prompt_is_found_in_the_cache(small: Service) -> None:
    prompt = tokenize(small, prompt="The same words again and again")
    values = [complete(small, prompt, max_tokens=1) for _ in range(2)]
    details = values[1]["usage"]["prompt_tokens_details"]
    assert details["cached_tokens"] == len(prompt) - 1


def test_log_probabilities_are_those_before_the_temperature(small: Service) -> None:
    def alternatives(temperature: float) -> list[float]:
        fields = {"temperature": temperature, "max_tokens": 1}
        value = answer(small, CHAT, UNSURE, **fields, logprobs=True, top_logprobs=3)
        entries = value["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        return [top["logprob"] for top in entries]

    assert alternatives(0.5) == pytest.approx(alternatives(0), abs=1e-3)
    assert alternatives(2) == pytest.approx(alternatives(0), abs=1e-3)


def test_min_tokens_and_a_document_exclude_each_other(small: Service) -> None:
    response = post(small, CHAT, response_format={"type": "json_object"}, min_tokens=1)
    assert_error(response, 400, "invalid_value", "min_tokens")


def test_deterministic_inference_heeds_seeds(deterministic: Service) -> None:
    def answers(**fields: Any) -> list[str]:
        fields = {"temperature": 2, "max_tokens": 20, "ignore_eos": True, **fields}
        value = answer(deterministic, COMPLETIONS, UNSURE, **fields)
        return [choice["text"] for choice in value["choices"]]

    assert answers(seed=11) == answers(seed=11) != answers(seed=12)
    assert len(set(answers(n=4))) == 4


def test_deterministic_inference_refuses_min_p(deterministic: Service) -> None:
    """SGLang's scheduler would die of it."""
    reason = model_card(deterministic)["capabilities"]["min_p"]
    response = post(deterministic, CHAT, min_p=0.1)
    assert reason in assert_error(response, 400, "unsupported_parameter", "min_p")


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_wrong_engine_argument_is_one_line(mistake: str) -> None:
    arguments, expected = MISTAKES[mistake]
    line = refusal(engine_args=arguments)
    assert all(part in line for part in expected)
