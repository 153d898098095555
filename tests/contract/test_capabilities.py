"""/v1/models is right: what it says to be true works, and its reasons are those of the errors."""

import json
import math
import re
from collections import Counter
from typing import Any

import pytest

from tests.contract.support import (
    CHAT,
    COMPLETIONS,
    Body,
    answer,
    assert_error,
    chat,
    model_card,
    post,
    text_of,
    tokenize,
    user,
)
from tests.service_process import Service, loads_weights

LONG = "Count from 1 to 40."
SCHEMA = {
    "type": "object",
    "properties": {"capital": {"type": "string", "enum": ["Paris", "Rome"]}},
    "required": ["capital"],
    "additionalProperties": False,
}
JSON_SCHEMA = {"type": "json_schema", "json_schema": {"name": "capital", "schema": SCHEMA}}
# field, a value that changes the output, the neutral values
FIELDS: list[tuple[str, Any, list[Any]]] = [
    ("temperature", 0.5, [1, None]),
    ("top_p", 0.5, [1, None]),
    ("top_k", 5, [-1, 0, None]),
    ("min_p", 0.1, [0, None]),
    ("repetition_penalty", 1.2, [1, None]),
    ("presence_penalty", 0.5, [0, None]),
    ("frequency_penalty", 0.5, [0, None]),
    ("seed", 7, [None]),
    ("min_tokens", 1, [0, None]),
    ("ignore_eos", True, [False, None]),
    ("stop_token_ids", [5], [[], None]),
    ("logit_bias", {"5": 1}, [{}, None]),
    ("response_format", JSON_SCHEMA, [{"type": "text"}, None]),
    ("logprobs", True, [False, None]),
    ("prompt_logprobs", 1, [None]),
    ("stop", "never", [[], None]),
    ("n", 2, [1, None]),
    ("max_tokens", 2, [None]),
    ("chat_template_kwargs", {"add_generation_prompt": True}, [{}, None]),
]


@pytest.fixture
def capabilities(backend_service: Service) -> Body:
    fields: Body = model_card(backend_service)["capabilities"]
    return fields


def require(capabilities: Body, name: str) -> None:
    if capabilities[name] is not True:
        pytest.skip(f"{name}: {capabilities[name]}")


@pytest.mark.parametrize(("name", "value", "neutral"), FIELDS, ids=[row[0] for row in FIELDS])
def test_a_field_works_or_is_refused_with_its_reason(
    backend_service: Service, capabilities: Body, name: str, value: Any, neutral: list[Any]
) -> None:
    response = post(backend_service, CHAT, **{"max_tokens": 3, name: value})
    if capabilities[name] is True:
        assert response.status_code == 200, response.text
    else:
        message = assert_error(response, 400, "unsupported_parameter", name)
        assert capabilities[name] in message
        assert backend_service.backend in message
    for same in neutral:
        response = post(backend_service, CHAT, **{"max_tokens": 3, name: same})
        assert response.status_code == 200, response.text


def ids_of(service: Service, text: str) -> list[int]:
    return tokenize(service, prompt=text, add_special_tokens=False)


def prompt_ids(service: Service, text: str) -> list[int]:
    """Returns a prompt with the BOS that some engines need; Echo would show it."""
    return tokenize(service, prompt=text, add_special_tokens=service.backend != "echo")


def test_a_seed_repeats_an_answer(backend_service: Service, capabilities: Body) -> None:
    require(capabilities, "seed")
    fields = {"seed": 11, "temperature": 2, "max_tokens": 12, "ignore_eos": True}
    first, second = (text_of(answer(backend_service, CHAT, LONG, **fields)) for _ in range(2))
    assert first == second


def unsure(service: Service, text: str = "Qxz fjord 9", /, **fields: object) -> list[str]:
    """Returns answers where a model knows none, so that small changes show."""
    if not loads_weights(service.backend):
        pytest.skip("an echo does not sample")
    value = answer(service, COMPLETIONS, text, **{"max_tokens": 40, "ignore_eos": True, **fields})
    return [choice["text"] for choice in value["choices"]]


def test_different_seeds_differ(backend_service: Service, capabilities: Body) -> None:
    require(capabilities, "seed")
    assert len({unsure(backend_service, temperature=2, seed=seed)[0] for seed in range(4)}) == 4
    assert len(set(unsure(backend_service, temperature=2, seed=1, n=4))) == 4


def test_answers_of_one_request_differ(backend_service: Service) -> None:
    assert len(set(unsure(backend_service, temperature=2, n=4))) == 4


@pytest.mark.parametrize("field", [{"top_k": 1}, {"top_p": 1e-9}, {"min_p": 1}])
def test_a_choice_among_one_token_is_greedy(
    backend_service: Service, capabilities: Body, field: Body
) -> None:
    require(capabilities, next(iter(field)))
    expected = text_of(chat(backend_service, user(LONG), max_tokens=12))
    value = answer(backend_service, CHAT, LONG, temperature=2, max_tokens=12, **field)
    assert text_of(value) == expected


def test_a_bias_forces_and_forbids_a_token(backend_service: Service, capabilities: Body) -> None:
    require(capabilities, "logit_bias")
    (forced,) = ids_of(backend_service, "7")
    bias = {str(forced): 100}
    assert text_of(chat(backend_service, user(LONG), max_tokens=3, logit_bias=bias)) == "777"
    first = ids_of(backend_service, text_of(chat(backend_service, user(LONG), max_tokens=1)))[0]
    forbidden = chat(backend_service, user(LONG), max_tokens=1, logit_bias={str(first): -100})
    assert ids_of(backend_service, text_of(forbidden))[:1] != [first]


def test_a_stop_token_ends_the_answer_without_its_text(
    backend_service: Service, capabilities: Body
) -> None:
    require(capabilities, "stop_token_ids")
    body = {"prompt": prompt_ids(backend_service, "One, two, three,"), "temperature": 0}

    def complete(**fields: object) -> Body:
        value: Body = backend_service.http.post(COMPLETIONS, json={**body, **fields}).json()
        return value

    def first(tokens: int) -> str:
        return text_of(complete(max_tokens=tokens))

    ids = ids_of(backend_service, first(8))
    stop = ids[3]
    without, with_stop = (
        backend_service.http.post("/detokenize", json={"tokens": ids[:end]}).json()["prompt"]
        for end in (ids.index(stop), ids.index(stop) + 1)
    )
    value = complete(stop_token_ids=[stop])
    tokens = value["usage"]["completion_tokens"]
    assert text_of(value) == without
    assert value["choices"][0]["finish_reason"] == "stop"
    # Some tokens have no text: what the same answer is after as many of them tells the count.
    assert first(tokens) == with_stop
    assert tokens == 1 or first(tokens - 1) == without


def test_ignore_eos_goes_on_to_max_tokens(backend_service: Service, capabilities: Body) -> None:
    require(capabilities, "ignore_eos")
    value = chat(backend_service, user("Hello"), ignore_eos=True, max_tokens=80)
    assert value["choices"][0]["finish_reason"] == "length"
    assert value["usage"]["completion_tokens"] == 80


def test_min_tokens_puts_the_end_off(backend_service: Service, capabilities: Body) -> None:
    require(capabilities, "min_tokens")
    short = chat(backend_service, user("Hello"))["usage"]["completion_tokens"]
    value = chat(backend_service, user("Hello"), min_tokens=short + 10, max_tokens=short + 30)
    assert value["usage"]["completion_tokens"] >= short + 10


def repeats(service: Service, prompt: str = "Qxz fjord 9", /, **fields: object) -> int:
    """Returns how often the commonest token comes among 80 that are each the likeliest."""
    text = unsure(service, prompt, temperature=0, max_tokens=80, **fields)[0]
    return Counter(ids_of(service, text)).most_common(1)[0][1]


def test_a_frequency_penalty_grows_with_each_time(
    backend_service: Service, capabilities: Body
) -> None:
    """Below 0 one token soon takes everything; above 0 none comes often."""
    require(capabilities, "frequency_penalty")
    assert repeats(backend_service, frequency_penalty=-2) > 40
    assert repeats(backend_service, frequency_penalty=2) < 8


def test_a_presence_penalty_does_not_grow(backend_service: Service, capabilities: Body) -> None:
    """A token that has come once stays as likely, however often it comes."""
    require(capabilities, "presence_penalty")
    assert repeats(backend_service, presence_penalty=-1) < 40
    assert repeats(backend_service, presence_penalty=2) > 8
    avoided, sought = (repeats(backend_service, "zzz", presence_penalty=v) for v in (2, -2))
    assert 2 * avoided < sought


def test_a_repetition_penalty_above_1_avoids_what_one_below_1_repeats(
    backend_service: Service, capabilities: Body
) -> None:
    require(capabilities, "repetition_penalty")
    assert repeats(backend_service, repetition_penalty=0.01) > 20
    assert repeats(backend_service, repetition_penalty=2) < 10


def first_tokens(service: Service, **fields: object) -> list[str]:
    """Returns the first token of each of 16 answers."""
    return unsure(service, n=16, max_tokens=1, **fields)


def test_temperature_goes_from_the_likeliest_to_anything(backend_service: Service) -> None:
    likeliest = unsure(backend_service, temperature=0, max_tokens=1)
    counts = [
        first_tokens(backend_service, temperature=temperature).count(likeliest[0])
        for temperature in (0.05, 1, 2)
    ]
    # Its probability at 1 is about 0.65, at 2 about 0.06.
    assert counts[0] == 16
    assert counts[1] >= 3
    assert counts[2] < 8


@pytest.mark.parametrize(
    ("field", "most"), [({"top_k": 5}, 5), ({"top_p": 0.2}, 7), ({"min_p": 0.2}, 7)]
)
def test_a_choice_among_few_tokens_is_among_these_and_more_than_one(
    backend_service: Service, capabilities: Body, field: Body, most: int
) -> None:
    """Without the field at least 10 of 16 differ."""
    require(capabilities, next(iter(field)))
    tokens = {*first_tokens(backend_service, temperature=2, **field)}
    assert 2 <= len(tokens) <= most


def test_a_schema_is_followed(backend_service: Service, capabilities: Body) -> None:
    require(capabilities, "response_format")
    value = chat(backend_service, user(LONG), response_format=JSON_SCHEMA, max_tokens=200)
    assert json.loads(text_of(value)) in ({"capital": "Paris"}, {"capital": "Rome"})


def test_a_json_object_parses(backend_service: Service, capabilities: Body) -> None:
    require(capabilities, "response_format")
    question = user("Give the capital of France as JSON.")
    value = chat(backend_service, question, response_format={"type": "json_object"})
    assert isinstance(json.loads(text_of(value)), dict)


def test_chat_logprobs_have_openais_shape(backend_service: Service, capabilities: Body) -> None:
    require(capabilities, "logprobs")
    alternatives = 2 if capabilities["top_logprobs"] is True else 0
    value = chat(
        backend_service, user(LONG), max_tokens=4, logprobs=True, top_logprobs=alternatives
    )
    content = value["choices"][0]["logprobs"]["content"]
    assert len(content) == 4
    tokens = "".join(entry["token"] for entry in content)
    assert re.sub(r"<\|\w+\|>", "", tokens) == text_of(value)
    for entry in content:
        assert set(entry) == {"token", "logprob", "bytes", "top_logprobs"}
        assert bytes(entry["bytes"]).decode("utf-8", "replace") == entry["token"]
        assert -9999 <= entry["logprob"] <= 1e-4
        tops = entry["top_logprobs"]
        values = [top["logprob"] for top in tops]
        assert values == sorted(values, reverse=True)
        assert sum(map(math.exp, values)) <= 1.01
        if alternatives:
            assert tops[0]["token"] == entry["token"]
        if loads_weights(backend_service.backend):
            assert len(tops) == alternatives


def test_completion_logprobs_have_openais_shape(
    backend_service: Service, capabilities: Body
) -> None:
    require(capabilities, "logprobs")
    alternatives = 1 if capabilities["top_logprobs"] is True else 0
    body: Body = {"prompt": prompt_ids(backend_service, "One, two,"), "temperature": 0}
    body |= {"max_tokens": 4, "ignore_eos": True, "logprobs": alternatives}
    value = backend_service.http.post(COMPLETIONS, json=body).json()
    logprobs = value["choices"][0]["logprobs"]
    assert set(logprobs) == {"tokens", "token_logprobs", "top_logprobs", "text_offset"}
    assert {len(entries) for entries in logprobs.values()} == {4}
    assert "".join(logprobs["tokens"]) == text_of(value)
    assert logprobs["text_offset"][0] == 0
    for start, token in zip(logprobs["text_offset"], logprobs["tokens"], strict=True):
        assert text_of(value).startswith(token, start)
