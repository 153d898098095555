"""How text becomes tokens and tokens become text, as the request wants it."""

from typing import Any

import pytest

from tests.contract.support import (
    CHAT,
    COMPLETIONS,
    Body,
    answer,
    assert_error,
    body_for,
    model_card,
    pieces,
    post,
    stream,
    text_of,
    tokenize,
    user,
)
from tests.contract.test_capabilities import require
from tests.service_process import Service

LONG = "Count from 1 to 40."
GREEDY: Body = {"temperature": 0, "max_tokens": 40}


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
@pytest.mark.parametrize("skip", [True, False, None])
def test_special_tokens_are_shown_on_demand(
    backend_service: Service, path: str, skip: bool | None
) -> None:
    """With ignore_eos there are some; the ids tell what the text has to be."""
    ignore = model_card(backend_service)["capabilities"]["ignore_eos"] is True
    fields: Body = {**GREEDY, "ignore_eos": ignore, "skip_special_tokens": skip}
    value = answer(backend_service, path, LONG, **fields, return_token_ids=True)
    ids = value["choices"][0]["token_ids"]
    assert len(ids) == value["usage"]["completion_tokens"]
    if not ignore:
        ids = ids[:-1]
    body = {"tokens": ids, "skip_special_tokens": skip is not False}
    expected = backend_service.http.post("/detokenize", json=body).json()["prompt"]
    assert text_of(value) == expected
    assert pieces(stream(backend_service, path, LONG, **fields)) == expected


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
def test_the_ids_of_prompt_and_answer_come_on_demand(backend_service: Service, path: str) -> None:
    shape: Body = {"messages": user(LONG)} if path == CHAT else {"prompt": LONG}
    prompt = tokenize(backend_service, **shape)
    fields: Body = {**GREEDY, "return_token_ids": True, "n": 2}
    value = answer(backend_service, path, LONG, **fields)
    chunks = stream(backend_service, path, LONG, **fields)
    for choice in value["choices"]:
        own = [(e, c) for e in chunks for c in e["choices"] if c["index"] == choice["index"]]
        streamed = [token_id for _, c in own for token_id in c["token_ids"]]
        assert streamed == choice["token_ids"]
        first, place = own[0], value if path == CHAT else choice
        assert first[0 if path == CHAT else 1]["prompt_token_ids"] == prompt
        assert place["prompt_token_ids"] == prompt
    assert "token_ids" not in answer(backend_service, path, LONG, **GREEDY)["choices"][0]


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
def test_a_stop_string_is_shown_on_demand(backend_service: Service, path: str) -> None:
    prompt = LONG if path == CHAT else "One, two, three,"
    full = text_of(answer(backend_service, path, prompt, **GREEDY))
    stop = full[4:9]
    expected = full[: full.index(stop) + len(stop)]
    fields: Body = {**GREEDY, "stop": [stop], "include_stop_str_in_output": True}
    value = answer(backend_service, path, prompt, **fields)
    assert text_of(value) == expected
    assert value["choices"][0]["finish_reason"] == "stop"
    assert pieces(stream(backend_service, path, prompt, **fields)) == expected


def require_any_prompt(service: Service) -> None:
    """Skip where the engine takes text, and so refuses ids that it would not make of any."""
    ids = tokenize(service, prompt=LONG, add_special_tokens=False)
    response = service.http.post(COMPLETIONS, json={"prompt": ids, "max_tokens": 1})
    if response.status_code != 200:
        pytest.skip(assert_error(response, 400, "invalid_value", "prompt"))


@pytest.mark.parametrize("last", [1, 5, 10_000])
def test_a_prompt_is_cut_to_its_last_tokens(backend_service: Service, last: int) -> None:
    require_any_prompt(backend_service)
    fields: Body = {"max_tokens": 1, "truncate_prompt_tokens": last, "return_token_ids": True}
    ids = tokenize(backend_service, prompt=LONG)
    for prompt in (LONG, [LONG], ids, [ids]):
        response = backend_service.http.post(COMPLETIONS, json={"prompt": prompt, **fields})
        assert response.json()["choices"][0]["prompt_token_ids"] == ids[-last:]
    value = answer(backend_service, CHAT, LONG, **fields)
    assert value["prompt_token_ids"] == tokenize(backend_service, messages=user(LONG))[-last:]


def test_a_prompt_is_cut_to_what_leaves_room_for_the_answer(backend_service: Service) -> None:
    require_any_prompt(backend_service)
    limit = model_card(backend_service)["max_model_len"]
    text = "cat " * limit
    value = answer(backend_service, COMPLETIONS, text, truncate_prompt_tokens=-1, max_tokens=4)
    assert value["usage"]["prompt_tokens"] == limit - 4
    for wrong in (0, -2):
        response = post(backend_service, COMPLETIONS, truncate_prompt_tokens=wrong)
        assert_error(response, 400, "invalid_value", "truncate_prompt_tokens")


def test_special_tokens_of_the_tokenizer_are_added_on_demand(backend_service: Service) -> None:
    require_any_prompt(backend_service)
    for path, default in ((COMPLETIONS, True), (CHAT, False)):
        for added in (True, False, None):
            value = answer(backend_service, path, LONG, max_tokens=1, add_special_tokens=added)
            shape: Body = {"messages": user(LONG)} if path == CHAT else {"prompt": LONG}
            wanted = default if added is None else added
            ids = tokenize(backend_service, **shape, add_special_tokens=wanted)
            assert value["usage"]["prompt_tokens"] == len(ids)
            assert len(ids) == len(tokenize(backend_service, **shape)) + wanted - default


def test_an_id_in_the_body_is_the_id_of_the_request(backend_service: Service) -> None:
    body = body_for(CHAT, "Hello", max_tokens=1, request_id="of-the-body")
    response = backend_service.http.post(CHAT, json=body)
    assert response.headers["x-request-id"] == "of-the-body"
    headers = {"x-request-id": "of-the-head"}
    response = backend_service.http.post(CHAT, json=body, headers=headers)
    assert response.headers["x-request-id"] == "of-the-head"
    response = post(backend_service, CHAT, request_id="a b")
    assert_error(response, 400, "invalid_value", "request_id")


@pytest.mark.parametrize(("fields", "taken"), [
    ({"best_of": 1}, True), ({"best_of": 2, "n": 2}, True), ({"best_of": 2}, False),
    ({"best_of": 3, "n": 2}, False),
])  # fmt: skip
def test_the_best_of_more_answers_than_are_returned_is_refused(
    backend_service: Service, fields: Body, taken: bool
) -> None:
    response = post(backend_service, COMPLETIONS, max_tokens=1, **fields)
    if taken:
        assert response.status_code == 200, response.text
    else:
        assert_error(response, 400, "unsupported_parameter", "best_of")


def test_tokens_are_named_by_their_ids_on_demand(backend_service: Service) -> None:
    capabilities = model_card(backend_service)["capabilities"]
    require(capabilities, "logprobs")
    alternatives = 2 if capabilities["top_logprobs"] is True else 0
    fields: Body = {"max_tokens": 4, "temperature": 0, "ignore_eos": True}
    fields |= {"return_tokens_as_token_ids": True, "return_token_ids": True}
    value = answer(backend_service, COMPLETIONS, LONG, logprobs=alternatives, **fields)
    choice: Any = value["choices"][0]
    names = [f"token_id:{token_id}" for token_id in choice["token_ids"]]
    assert choice["logprobs"]["tokens"] == names
    if alternatives:
        for name, top in zip(names, choice["logprobs"]["top_logprobs"], strict=True):
            assert name in top
    fields |= {"logprobs": True, "top_logprobs": alternatives}
    choice = answer(backend_service, CHAT, LONG, **fields)["choices"][0]
    named = [entry["token"] for entry in choice["logprobs"]["content"]]
    assert named == [f"token_id:{token_id}" for token_id in choice["token_ids"]]
