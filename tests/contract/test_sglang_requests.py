"""What SGLang is particular about, over HTTP."""

from typing import Any

import pytest

from tests.contract.support import (
    CHAT,
    COMPLETIONS,
    Body,
    Samples,
    answer,
    assert_error,
    post,
    text_of,
    tokenize,
)
from tests.limits import DEADLINE
from tests.service_process import Service, eventually

LONG = 4000
UNSURE = "Qxz fjord 9"
on_sglang = pytest.mark.parametrize("backend_service", ["sglang"], indirect=True)


def complete(service: Service, prompt: list[int], **fields: Any) -> Body:
    response = service.http.post(COMPLETIONS, json={"prompt": prompt, **fields})
    assert response.status_code == 200, response.text
    value: Body = response.json()
    return value


@on_sglang
def test_stop_tokens_end_an_answer_that_ignores_the_models_own_end(
    backend_service: Service,
) -> None:
    """SGLang ignores them together."""
    prompt = tokenize(backend_service, prompt=UNSURE, add_special_tokens=False)
    fields = {"max_tokens": 40, "temperature": 0, "ignore_eos": True, "logit_bias": {"2": 100}}
    endless = complete(backend_service, prompt, **fields)
    assert endless["usage"]["completion_tokens"] == 40
    (seven,) = tokenize(backend_service, prompt="7", add_special_tokens=False)
    biased = {**fields, "logit_bias": {str(seven): 100}}
    stopped = complete(backend_service, prompt, **biased, stop_token_ids=[seven])
    assert stopped["usage"]["completion_tokens"] == 1
    assert stopped["choices"][0]["finish_reason"] == "stop"
    assert text_of(stopped) == ""
    late = {"prompt": prompt, **biased, "stop_token_ids": [seven], "min_tokens": 10}
    refused = backend_service.http.post(COMPLETIONS, json=late)
    assert_error(refused, 400, "invalid_value", "min_tokens")


@on_sglang
def test_a_repeated_prompt_is_found_in_the_cache(backend_service: Service) -> None:
    prompt = tokenize(backend_service, prompt="The same words again and again")
    values = [complete(backend_service, prompt, max_tokens=1) for _ in range(2)]
    details = values[1]["usage"]["prompt_tokens_details"]
    assert details["cached_tokens"] == len(prompt) - 1


@on_sglang
def test_log_probabilities_are_those_before_the_temperature(backend_service: Service) -> None:
    def alternatives(temperature: float) -> list[float]:
        fields = {"temperature": temperature, "max_tokens": 1}
        value = answer(backend_service, CHAT, UNSURE, **fields, logprobs=True, top_logprobs=3)
        entries = value["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        return [top["logprob"] for top in entries]

    assert alternatives(0.5) == pytest.approx(alternatives(0), abs=1e-3)
    assert alternatives(2) == pytest.approx(alternatives(0), abs=1e-3)


@on_sglang
def test_min_tokens_and_a_document_exclude_each_other(backend_service: Service) -> None:
    response = post(backend_service, CHAT, response_format={"type": "json_object"}, min_tokens=1)
    assert_error(response, 400, "invalid_value", "min_tokens")


@on_sglang
def test_an_answer_that_ends_early_frees_its_place_in_the_scheduler(
    backend_service: Service,
) -> None:
    def usage() -> float:
        return Samples(backend_service)["kv_cache_usage_ratio"]

    body = {"prompt": "hello", "max_tokens": LONG, "ignore_eos": True}
    with backend_service.http.stream("POST", "/generate", json=body) as response:
        pieces = response.iter_raw()
        next(pieces)
        eventually(lambda: usage() > 0, DEADLINE, "it is generated")
    eventually(lambda: usage() == 0, DEADLINE, "the client has left")
    stopped = backend_service.http.post("/generate", json=body | {"stop": ["e", "a", "o"]})
    assert stopped.status_code == 200
    eventually(lambda: usage() == 0, DEADLINE, "a stop string has come")
