"""Answers are as the OpenAPI document says, without a field that it does not have."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from tests.contract.support import CHAT, COMPLETIONS, GENERATE, Body, body_for, events, model_card
from tests.service_process import Service


@pytest.fixture
def document(backend_service: Service) -> Body:
    """Returns the document with its objects closed: answers may grow, but then so must it."""
    value: Body = backend_service.http.get("/openapi.json").json()
    for schema in value["components"]["schemas"].values():
        if schema["type"] == "object":
            schema.setdefault("additionalProperties", False)
    return value


def faults(document: Body, path: str, value: Any, media: str = "application/json") -> list[str]:
    """Returns what of a route's successful answer is not as the document says."""
    ((_, operation),) = document["paths"][path].items()
    schema = operation["responses"]["200"]["content"][media]["schema"]
    return [
        error.message for error in Draft202012Validator({**document, **schema}).iter_errors(value)
    ]


def test_what_is_told_of_the_service_is_as_documented(
    backend_service: Service, document: Body
) -> None:
    http = backend_service.http
    for path in ("/v1/models", "/livez", "/readyz", "/health", "/version"):
        assert faults(document, path, http.get(path).json()) == [], path
    card = http.get(f"/v1/models/{model_card(backend_service)['id']}").json()
    assert faults(document, "/v1/models/{model}", card) == []
    tokens = http.post("/tokenize", json={"prompt": "Hello"}).json()
    assert faults(document, "/tokenize", tokens) == []
    text = http.post("/detokenize", json={"tokens": tokens["tokens"]}).json()
    assert faults(document, "/detokenize", text) == []
    assert faults(document, "/detokenize", {**text, "more": 1}) != []


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
def test_answers_and_their_events_are_as_documented(
    backend_service: Service, document: Body, path: str
) -> None:
    body = body_for(path, "Hello", max_tokens=4, return_token_ids=True)
    capabilities = model_card(backend_service)["capabilities"]
    if capabilities["logprobs"] is True:
        alternatives = 1 if capabilities["top_logprobs"] is True else 0
        body |= {"logprobs": True if path == CHAT else alternatives}
        body |= {"top_logprobs": alternatives} if path == CHAT else {}
    value = backend_service.http.post(path, json=body)
    assert value.status_code == 200, value.text
    assert faults(document, path, value.json()) == []
    body |= {"stream": True, "stream_options": {"include_usage": True}}
    chunks = events(backend_service.http.post(path, json=body))
    assert [faults(document, path, each, "text/event-stream") for each in chunks] == [[]] * len(
        chunks
    )


def test_a_called_tool_is_as_documented(backend_service: Service, document: Body) -> None:
    if model_card(backend_service)["capabilities"]["tool_choice"] is not True:
        pytest.skip("this backend forces no call")
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    body = body_for(CHAT, "Hello", tools=[tool], tool_choice="required", max_tokens=40)
    value = backend_service.http.post(CHAT, json=body).json()
    assert faults(document, CHAT, value) == []
    chunks = events(backend_service.http.post(CHAT, json={**body, "stream": True}))
    assert [faults(document, CHAT, each, "text/event-stream") for each in chunks] == [[]] * len(
        chunks
    )


@pytest.mark.parametrize(("path", "status"), [(GENERATE, 400), ("/v1/models/other", 404)])
def test_errors_are_as_documented(
    backend_service: Service, document: Body, path: str, status: int
) -> None:
    post = path == GENERATE
    response = backend_service.http.request(
        "POST" if post else "GET", path, json={"prompt": 5} if post else None
    )
    assert response.status_code == status
    documented = document["components"]["responses"][str(status)]
    assert f"`{response.json()['error']['code']}`" in documented["description"]
    schema = documented["content"]["application/json"]["schema"]
    assert Draft202012Validator({**document, **schema}).is_valid(response.json())
    assert not Draft202012Validator({**document, **schema}).is_valid(json.loads("{}"))
