"""The service over TGI: what is particular to an engine that takes text and ends answers early."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.support import (
    CHAT,
    COMPLETIONS,
    GENERATE,
    Samples,
    assert_error,
    chat,
    events,
    expect_idle,
    post,
    raw_post,
    text_of,
    tokenize,
    user,
)
from tests.service_process import Service, start_service

STORY = user("Tell me a story.")


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with start_service("tgi") as started:
        yield started


def completion(service: Service, **fields: Any) -> Any:
    response = service.http.post(COMPLETIONS, json={"temperature": 0, **fields})
    assert response.status_code == 200, response.text
    return response.json()


def test_a_chat_has_one_bos_and_gets_the_answer_of_its_ids(service: Service) -> None:
    ids = tokenize(service, messages=STORY)
    assert ids.count(0) == 1
    value = chat(service, STORY, max_tokens=60)
    assert value["usage"]["prompt_tokens"] == len(ids)
    assert text_of(value) == text_of(completion(service, prompt=ids, max_tokens=60))


def test_ids_that_no_text_becomes_are_refused_with_the_reason(service: Service) -> None:
    ids = tokenize(service, prompt="Hello", add_special_tokens=False)
    response = service.http.post(COMPLETIONS, json={"prompt": ids})
    assert "TGI takes a prompt as text" in assert_error(response, 400, "invalid_value", "prompt")


@pytest.mark.parametrize("max_tokens", [1023, 1024, 1025, 1500])
def test_long_answers_have_exactly_the_tokens_asked_for(service: Service, max_tokens: int) -> None:
    value = chat(service, STORY, max_tokens=max_tokens, ignore_eos=True)
    assert value["usage"]["completion_tokens"] == max_tokens
    assert value["choices"][0]["finish_reason"] == "length"


def test_an_answer_that_goes_on_behind_its_end_begins_as_without(service: Service) -> None:
    plain = chat(service, user("Hello"))
    assert plain["choices"][0]["finish_reason"] == "stop"
    more = chat(service, user("Hello"), ignore_eos=True, max_tokens=60)
    assert text_of(more).startswith(text_of(plain))
    assert more["usage"]["completion_tokens"] == 60


def test_the_end_token_counts_and_is_hidden(service: Service) -> None:
    value = chat(service, user("Hello"))
    shown = len(tokenize(service, prompt=text_of(value), add_special_tokens=False))
    assert value["usage"]["completion_tokens"] == shown + 1
    last = chat(service, user("Hello"), max_tokens=shown + 1)
    assert (text_of(last), last["choices"][0]["finish_reason"]) == (text_of(value), "stop")


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "integer", "minimum": 3}, "does not enforce 'minimum' beside 'integer'"),
        ({"oneOf": [{"type": "string"}]}, "does not enforce 'oneOf'"),
    ],
)
def test_a_schema_that_tgi_would_follow_in_part_is_refused(
    service: Service, schema: dict[str, Any], expected: str
) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    response = post(service, CHAT, response_format=form)
    assert expected in assert_error(response, 400, "unsupported_parameter", "response_format")


def test_a_document_longer_than_tgi_can_constrain_is_refused(service: Service) -> None:
    form = {"type": "json_object"}
    response = post(service, CHAT, response_format=form, max_tokens=1025)
    assert "at most 1024" in assert_error(response, 400, "invalid_value", "max_tokens")
    assert post(service, CHAT, response_format=form, max_tokens=1024).status_code == 200


def test_tgis_own_series_are_passed_through(service: Service) -> None:
    text = service.http.get("/metrics").text
    assert re.search(r"^tgi_request_count \d+$", text, re.MULTILINE)
    assert Samples(service).families["tgi_batch_current_size"].type == "gauge"


def test_the_models_page_tells_tgis_version(service: Service) -> None:
    (card,) = service.http.get("/v1/models").json()["data"]
    assert (card["backend"], card["backend_version"]) == ("tgi", "3.3.7")


def test_an_error_event_in_a_200_stream_is_an_error_to_the_client() -> None:
    with start_service("tgi", double_fail_after=3) as service:
        assert_error(post(service, CHAT), 500, "internal_error")
        assert_error_event(service, "internal_error")
        response = raw_post(service, GENERATE, {"prompt": "Hello"})
        assert (response.status, response.complete) == (200, False)
        assert "illegal memory access" in service.log_text()
        expect_idle(service)
        assert service.is_ready()


def test_a_cut_stream_never_looks_finished() -> None:
    with start_service("tgi", double_cut_after=3) as service:
        assert_error(post(service, CHAT), 503, "engine_dead")
        assert_error_event(service, "engine_dead")
        response = raw_post(service, GENERATE, {"prompt": "Hello"})
        assert (response.status, response.complete) == (200, False)
        expect_idle(service)


def assert_error_event(service: Service, code: str) -> None:
    """Text, then the error, and no [DONE]."""
    response = post(service, CHAT, stream=True)
    assert response.status_code == 200
    with pytest.raises(AssertionError):
        events(response)
    assert '"content"' in response.text
    assert f'"code":"{code}"' in response.text.split("\n\n")[-2]
    assert 'finish_reason":"' not in response.text
