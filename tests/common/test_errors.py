"""Every error has a status, a code and a body that clients can tell apart."""

import inspect

import pytest

from common import errors
from common.errors import (
    Cancelled,
    InternalError,
    MethodNotAllowed,
    QueueTimeout,
    RequestError,
    ServerError,
    ServiceError,
)

LEAVES = sorted(
    (
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, ServiceError) and kind not in (ServiceError, RequestError, ServerError)
    ),
    key=lambda kind: kind.__name__,
)
ROWS = {
    (400, "invalid_http"), (400, "invalid_json"), (400, "invalid_value"),
    (400, "unknown_parameter"), (400, "unsupported_parameter"),
    (400, "context_length_exceeded"), (401, "invalid_api_key"), (403, "not_allowed"),
    (404, "not_found"), (404, "model_not_found"), (405, "method_not_allowed"),
    (408, "request_timeout"),
    (413, "request_too_large"), (414, "uri_too_long"), (415, "unsupported_media_type"),
    (429, "overloaded"), (429, "rate_limit_exceeded"),
    (431, "headers_too_large"), (499, "cancelled"), (500, "internal_error"), (507, "no_space"),
    (503, "not_ready"), (503, "draining"), (503, "engine_dead"), (503, "overloaded"),
    (503, "engine_stalled"),
    (504, "timeout"),
}  # fmt: skip


def make(kind: type[ServiceError]) -> ServiceError:
    if issubclass(kind, MethodNotAllowed):
        return kind("what was wrong", allow="GET")
    return kind("what was wrong", param="field")


def test_the_classes_are_exactly_the_rows_of_the_contract() -> None:
    assert {(kind.status, kind.code) for kind in LEAVES} == ROWS
    assert len(LEAVES) == len(ROWS) + 1, "an engine that is lost and one that is dead look alike"


@pytest.mark.parametrize("kind", LEAVES)
def test_status_and_type_fit_the_side_that_erred(kind: type[ServiceError]) -> None:
    ours = issubclass(kind, ServerError)
    assert (kind.status >= 500) == ours
    assert (kind.type == "server_error") == ours
    assert issubclass(kind, RequestError) != ours


@pytest.mark.parametrize("kind", LEAVES)
def test_a_body_has_the_one_shape(kind: type[ServiceError]) -> None:
    body = make(kind).body("the-id")
    assert set(body) == {"error"}
    assert set(body["error"]) == {"message", "type", "param", "code", "request_id"}
    assert body["error"]["message"] == "what was wrong"
    assert body["error"]["request_id"] == "the-id"


@pytest.mark.parametrize("kind", LEAVES)
def test_where_trying_again_can_help_there_is_a_retry_after(kind: type[ServiceError]) -> None:
    headers = make(kind).headers
    assert ("retry-after" in headers) == (kind.status in (429, 503, 507))
    assert all(name == name.lower() and value for name, value in headers.items())


def test_some_headers_belong_to_their_status() -> None:
    assert make(MethodNotAllowed).headers == {"allow": "GET"}
    assert make(errors.InvalidAPIKey).headers == {"www-authenticate": "Bearer"}


def test_a_message_is_also_the_exceptions_text() -> None:
    for kind in (InternalError, Cancelled, QueueTimeout):
        assert str(make(kind)) == "what was wrong"
