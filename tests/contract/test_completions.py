"""POST /v1/completions."""

import re

import pytest
from openai import OpenAI

from tests.contract.support import (
    COMPLETIONS,
    Body,
    assert_error,
    events,
    model_card,
    stream,
    text_of,
    tokenize,
)
from tests.service_process import Service

FIRST, SECOND = "The capital of Poland is", "One, two, three,"


def complete(service: Service, prompt: object, **fields: object) -> Body:
    """Returns a greedy completion, which must succeed."""
    body = {"prompt": prompt, "temperature": 0, "max_tokens": 6, "ignore_eos": True, **fields}
    response = service.http.post(COMPLETIONS, json=body)
    assert response.status_code == 200, response.text
    value: Body = response.json()
    return value


def texts(value: Body) -> list[str]:
    return [choice["text"] for choice in value["choices"]]


def test_a_completion_that_does_not_stream_has_openais_shape(backend_service: Service) -> None:
    value = complete(backend_service, FIRST)
    assert set(value) == {"id", "object", "created", "model", "choices", "usage"}
    assert re.fullmatch(r"cmpl-\w+", value["id"])
    assert value["object"] == "text_completion"
    (choice,) = value["choices"]
    assert set(choice) == {"index", "text", "logprobs", "finish_reason"}
    assert choice["finish_reason"] == "length"
    assert value["usage"]["prompt_tokens"] == len(tokenize(backend_service, prompt=FIRST))
    assert value["usage"]["completion_tokens"] == 6


def test_a_prompt_may_be_a_string_or_ids(backend_service: Service) -> None:
    ids = tokenize(backend_service, prompt=FIRST)
    assert texts(complete(backend_service, FIRST)) == texts(complete(backend_service, ids))


def test_lists_of_prompts_are_answered_in_order(backend_service: Service) -> None:
    both = [tokenize(backend_service, prompt=text) for text in (FIRST, SECOND)]
    alone = [texts(complete(backend_service, text))[0] for text in (FIRST, SECOND)]
    by_text = complete(backend_service, [FIRST, SECOND])
    assert texts(by_text) == alone
    assert [choice["index"] for choice in by_text["choices"]] == [0, 1]
    assert by_text["usage"]["prompt_tokens"] == sum(map(len, both))
    assert by_text["usage"]["completion_tokens"] == 12
    assert texts(complete(backend_service, both)) == alone
    assert texts(complete(backend_service, [FIRST])) == alone[:1]


def test_n_answers_to_each_prompt_are_numbered_prompt_by_prompt(backend_service: Service) -> None:
    value = complete(backend_service, [FIRST, SECOND], n=2)
    assert [choice["index"] for choice in value["choices"]] == [0, 1, 2, 3]
    first, second = texts(complete(backend_service, [FIRST, SECOND]))
    assert texts(value) == [first, first, second, second]


def test_echo_puts_the_prompt_before_the_answer(backend_service: Service) -> None:
    plain = texts(complete(backend_service, [FIRST, SECOND]))
    expected = [FIRST + plain[0], SECOND + plain[1]]
    assert texts(complete(backend_service, [FIRST, SECOND], echo=True)) == expected
    chunks = stream(
        backend_service, COMPLETIONS, FIRST, temperature=0, max_tokens=6, echo=True, ignore_eos=True
    )
    assert "".join(chunk["choices"][0]["text"] for chunk in chunks) == expected[0]


def test_a_stream_has_the_same_text_and_ends_with_done(backend_service: Service) -> None:
    fields = {"temperature": 0, "max_tokens": 6, "ignore_eos": True}
    chunks = stream(backend_service, COMPLETIONS, FIRST, **fields)
    assert {chunk["object"] for chunk in chunks} == {"text_completion"}
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert "".join(c["choices"][0]["text"] for c in chunks) == text_of(
        complete(backend_service, FIRST)
    )
    assert [c["choices"][0]["finish_reason"] for c in chunks][-1] == "length"


def test_streams_of_several_prompts_differ_by_index(backend_service: Service) -> None:
    body = {"prompt": [FIRST, SECOND], "temperature": 0, "max_tokens": 6, "ignore_eos": True}
    options = {"stream": True, "stream_options": {"include_usage": True}}
    *chunks, last = events(backend_service.http.post(COMPLETIONS, json=body | options))
    expected = complete(backend_service, [FIRST, SECOND])
    for index, text in enumerate(texts(expected)):
        own = [c["choices"][0] for c in chunks if c["choices"][0]["index"] == index]
        assert "".join(choice["text"] for choice in own) == text
        assert [choice["finish_reason"] for choice in own if choice["finish_reason"]] == ["length"]
    assert last["choices"] == []
    # What was cached meanwhile may differ.
    for name in ("prompt_tokens", "completion_tokens"):
        assert last["usage"][name] == expected["usage"][name]


def test_a_stop_string_ends_the_text_before_it(backend_service: Service) -> None:
    full = text_of(complete(backend_service, SECOND, max_tokens=12))
    stop = full[4:9]
    value = complete(backend_service, SECOND, max_tokens=12, stop=stop)
    assert text_of(value) == full[: full.index(stop)]
    assert value["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("prompt", [[], [[]], "", [""]])
def test_an_empty_prompt_is_refused_or_is_the_bos_alone(
    backend_service: Service, prompt: object
) -> None:
    body = {"prompt": prompt, "max_tokens": 1}
    response = backend_service.http.post(COMPLETIONS, json=body)
    if prompt in ("", [""]) and tokenize(backend_service, prompt=""):
        assert response.status_code == 200
        assert response.json()["usage"]["prompt_tokens"] == 1
    else:
        assert_error(response, 400, "invalid_value", "prompt")


def test_an_empty_prompt_among_others_is_named(backend_service: Service) -> None:
    for body in ({"prompt": [[5], []]}, {"prompt": ["a", ""], "add_special_tokens": False}):
        response = backend_service.http.post(COMPLETIONS, json={**body, "max_tokens": 1})
        message = assert_error(response, 400, "invalid_value", "prompt")
        assert message.startswith("prompt[1] is empty")


@pytest.mark.parametrize("prompt", [[10**6], [[10**6]], [-1], [2**31], ["a", 1], [[1], "a"], 5])
def test_ids_outside_the_vocabulary_and_mixed_lists_are_refused(
    backend_service: Service, prompt: object
) -> None:
    response = backend_service.http.post(COMPLETIONS, json={"prompt": prompt})
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "invalid_value"
    assert str(response.json()["error"]["param"]).startswith("prompt")


def test_openais_client_reads_completions(backend_service: Service) -> None:
    expected = text_of(complete(backend_service, FIRST, ignore_eos=False))
    name = model_card(backend_service)["id"]
    with OpenAI(base_url=f"{backend_service.url}/v1", api_key="none", max_retries=0) as client:
        value = client.completions.create(model=name, prompt=FIRST, temperature=0, max_tokens=6)
        with client.completions.create(
            model=name, prompt=FIRST, temperature=0, max_tokens=6, stream=True
        ) as chunks:
            streamed = "".join(chunk.choices[0].text for chunk in chunks)
    assert value.choices[0].text == streamed == expected
