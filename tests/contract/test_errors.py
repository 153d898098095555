"""Each error that a request alone can cause: status, code, param, headers, one body shape."""

import json

import httpx
import pytest

from tests.contract.support import (
    CHAT,
    COMPLETIONS,
    COUNT_TOKENS,
    GENERATE,
    MARKER,
    MESSAGES,
    RESPONSES,
    Body,
    assert_error,
    body_for,
    connect,
    model_card,
    post,
    raw_request,
    tokenize,
    user,
)
from tests.service_process import Service

GENERATIONS = [GENERATE, CHAT, COMPLETIONS, MESSAGES, RESPONSES]
JSON_ROUTES = [*GENERATIONS, COUNT_TOKENS, "/tokenize", "/detokenize"]
JSON = {"content-type": "application/json"}
LIMIT = 8 * 2**20


def valid(path: str) -> Body:
    return {"tokens": [5]} if path == "/detokenize" else body_for(path, MARKER)


@pytest.mark.parametrize("path", ["/nowhere", "/v1", "/v1/", "//", "/v1/chat"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unknown_path_is_not_found(backend_service: Service, method: str, path: str) -> None:
    message = assert_error(
        backend_service.http.request(method, backend_service.url + path), 404, "not_found"
    )
    assert GENERATE in message


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        *(("GET", path, "POST") for path in JSON_ROUTES),
        ("PUT", CHAT, "POST"),
        ("POST", "/v1/models", "GET, HEAD"),
        ("POST", "/v1/models/x", "GET, HEAD"),
        ("GET", "/v1/requests/x", "DELETE"),
        ("POST", "/livez", "GET, HEAD"),
        ("DELETE", "/metrics", "GET, HEAD"),
        ("POST", "/schema.json", "GET, HEAD"),
        ("OPTIONS", CHAT, "POST"),
    ],
)
def test_a_wrong_method_gets_the_right_one(
    backend_service: Service, method: str, path: str, allow: str
) -> None:
    response = backend_service.http.request(method, path)
    assert allow in assert_error(response, 405, "method_not_allowed")
    assert response.headers["allow"] == allow


def test_an_unknown_request_cannot_be_cancelled(backend_service: Service) -> None:
    assert_error(backend_service.http.delete("/v1/requests/unknown"), 404, "not_found")


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
def test_another_model_is_not_found(backend_service: Service, path: str) -> None:
    response = post(backend_service, path, MARKER, model="other")
    message = assert_error(response, 404, "model_not_found", "model")
    assert model_card(backend_service)["id"] in message


@pytest.mark.parametrize("path", JSON_ROUTES)
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"nonsense " + MARKER.encode(),
        b'{"prompt": "' + MARKER.encode() + b"\xff" + b'"}',
        b'{"prompt": "' + MARKER.encode() + rb"\ud800" + b'"}',
        b"[" * 100_000,
        b'{"a":' * 5_000,
        b'{"prompt": "a"} trailing ' + MARKER.encode(),
    ],
    ids=["empty", "cut", "text", "not-utf8", "surrogate", "deep-list", "deep-object", "trailing"],
)
def test_what_is_not_json_is_refused(backend_service: Service, path: str, data: bytes) -> None:
    response = backend_service.http.post(path, content=data, headers=JSON)
    assert_error(response, 400, "invalid_json")


@pytest.mark.parametrize("path", JSON_ROUTES)
@pytest.mark.parametrize("data", ["[]", "null", '"text"', "5", "true", "NaN"])
def test_json_that_is_no_object_is_refused(backend_service: Service, path: str, data: str) -> None:
    response = backend_service.http.post(path, content=data, headers=JSON)
    assert response.json()["error"]["code"] in ("invalid_value", "invalid_json")
    assert response.status_code == 400


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize("field", ["temperature", "top_p", "presence_penalty"])
def test_numbers_that_are_none_are_refused(
    backend_service: Service, field: str, value: str
) -> None:
    data = f'{{"prompt": "{MARKER}", "{field}": {value}}}'
    response = backend_service.http.post(GENERATE, content=data, headers=JSON)
    assert response.status_code == 400
    assert response.json()["error"]["code"] in ("invalid_value", "invalid_json")


@pytest.mark.parametrize(
    ("field", "near"),
    [("temprature", "temperature"), ("max_token", "max_tokens"), ("top-p", "top_p")],
)
@pytest.mark.parametrize("path", GENERATIONS)
def test_an_unknown_field_gets_the_nearest_name(
    backend_service: Service, path: str, field: str, near: str
) -> None:
    response = post(backend_service, path, MARKER, **{field: 1})
    message = assert_error(response, 400, "unknown_parameter", field)
    assert repr(near) in message


@pytest.mark.parametrize("field", ["reasoning_style", "stored", "streams_of_it", "xyz"])
def test_a_name_that_is_like_none_gets_no_hint(backend_service: Service, field: str) -> None:
    message = assert_error(
        post(backend_service, CHAT, **{field: 1}), 400, "unknown_parameter", field
    )
    assert "did you mean" not in message


@pytest.mark.parametrize("path", JSON_ROUTES)
def test_a_field_like_no_other_is_refused_too(backend_service: Service, path: str) -> None:
    response = backend_service.http.post(path, json={**valid(path), "qqq": MARKER})
    assert_error(response, 400, "unknown_parameter", "qqq")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"stream_options": {"include_usag": True}, "stream": True}, "stream_options.include_usag"),
        ({"messages": [{"role": "user", "content": "a", "Content": 1}]}, "messages[0].Content"),
    ],
)
def test_an_unknown_inner_field_is_named_by_its_path(
    backend_service: Service, fields: Body, param: str
) -> None:
    response = backend_service.http.post(CHAT, json={"messages": user("a"), **fields})
    assert_error(response, 400, "unknown_parameter", param)


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": "application/vnd.bentoml+pickle"},
        {"content-type": "application/octet-stream"},
        {"content-type": ""},
        {},
    ],
)
@pytest.mark.parametrize("path", JSON_ROUTES)
def test_only_json_is_read(backend_service: Service, path: str, headers: dict[str, str]) -> None:
    data = json.dumps(valid(path)).encode()
    response = backend_service.http.post(path, content=data, headers=headers)
    assert "application/json" in assert_error(response, 415, "unsupported_media_type")


@pytest.mark.parametrize("kind", ["Application/JSON", "application/json; charset=utf-8"])
def test_the_media_type_may_have_capitals_and_a_charset(
    backend_service: Service, kind: str
) -> None:
    data = json.dumps({"prompt": "Hello"})
    response = backend_service.http.post("/tokenize", content=data, headers={"content-type": kind})
    assert response.status_code == 200


@pytest.mark.parametrize("path", JSON_ROUTES)
def test_a_body_that_is_declared_too_large_is_refused_unread(
    backend_service: Service, path: str
) -> None:
    request = raw_request(
        path, b"", "content-type: application/json", f"content-length: {LIMIT + 1}"
    )
    with connect(backend_service) as connection:
        connection.sendall(request)
        answer = connection.makefile("rb").readline()
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_body_is_counted_while_it_streams_in(backend_service: Service) -> None:
    part = b" " * 2**16

    def too_much() -> object:
        yield from (part for _ in range(LIMIT // len(part) + 1))

    try:
        response = backend_service.http.post(GENERATE, content=too_much(), headers=JSON)  # type: ignore[arg-type]
    except (httpx.WriteError, httpx.ReadError):
        return  # refused while it was still sent
    assert str(LIMIT) in assert_error(response, 413, "request_too_large")


def test_a_body_just_below_the_limit_is_read(backend_service: Service) -> None:
    data = json.dumps({"prompt": "Hello"}).encode().ljust(LIMIT)
    response = backend_service.http.post("/tokenize", content=data, headers=JSON)
    assert response.status_code == 200
    response = backend_service.http.post("/tokenize", content=data + b" ", headers=JSON)
    assert_error(response, 413, "request_too_large")


@pytest.mark.parametrize("path", GENERATIONS)
def test_a_prompt_that_does_not_fit_gets_both_numbers(backend_service: Service, path: str) -> None:
    limit = model_card(backend_service)["max_model_len"]
    text = MARKER * (limit // 2)
    response = post(backend_service, path, text)
    param = {CHAT: "messages", MESSAGES: "messages", RESPONSES: "input"}.get(path, "prompt")
    message = assert_error(response, 400, "context_length_exceeded", param)
    shape = {"prompt": text} if path == COMPLETIONS else {"messages": user(text)}
    assert str(len(tokenize(backend_service, **shape))) in message
    assert str(limit) in message


@pytest.mark.parametrize("path", GENERATIONS)
def test_max_tokens_beyond_the_context_gets_both_numbers(
    backend_service: Service, path: str
) -> None:
    limit = model_card(backend_service)["max_model_len"]
    response = post(backend_service, path, MARKER, max_tokens=limit + 1)
    message = assert_error(response, 400, "context_length_exceeded", "max_tokens")
    assert message.startswith(f"This model's maximum context length is {limit} tokens. However, ")
    assert str(limit + 1) in message


@pytest.mark.parametrize("path", GENERATIONS)
def test_max_tokens_of_the_context_length_are_cut_to_what_is_left(
    backend_service: Service, path: str
) -> None:
    limit = model_card(backend_service)["max_model_len"]
    stop = {"stop_sequences": ["o"]} if path == MESSAGES else {"stop": "o"}
    response = post(backend_service, path, "Hello", max_tokens=limit, **stop)
    assert response.status_code == 200, response.text


def test_max_completion_tokens_beyond_the_context_names_itself(backend_service: Service) -> None:
    response = post(backend_service, CHAT, MARKER, max_completion_tokens=10**9)
    assert_error(response, 400, "context_length_exceeded", "max_completion_tokens")


def test_bad_conversations_are_refused(backend_service: Service) -> None:
    for messages, param in (
        ([], "messages"),
        ([{"role": "user"}], "messages[0]"),
        ([{"role": "owner", "content": MARKER}], "messages[0].role"),
        ([{"role": "user", "content": 5}], "messages[0].content"),
        (
            [{"role": "user", "content": [{"type": "text", "text": 5}]}],
            "messages[0].content[0].text",
        ),
        ([{"role": "user", "content": [{"type": "text"}]}], "messages[0].content[0]"),
        (None, "messages"),
        (MARKER, "messages"),
    ):
        response = backend_service.http.post(CHAT, json={"messages": messages})
        assert response.status_code == 400
        error = response.json()["error"]
        assert error["code"] == "invalid_value"
        assert error["param"] == param
        assert MARKER not in response.text


@pytest.mark.parametrize("kind", ["image", "input_audio", "file", "input_text"])
def test_a_part_of_an_unknown_type_is_named_with_its_place(
    backend_service: Service, kind: str
) -> None:
    parts = [{"type": "text", "text": "What is it?"}, {"type": kind, kind: {"url": MARKER}}]
    messages = [{"role": "user", "content": parts}]
    response = backend_service.http.post(CHAT, json={"messages": messages})
    message = assert_error(response, 400, "invalid_value", "messages[0].content[1]")
    assert repr(kind) in message
    assert "allowed are 'text' and 'image_url'" in message
