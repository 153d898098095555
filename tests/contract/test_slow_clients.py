"""Clients that send slowly, or hold many connections, cost little and keep nobody else out."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest

from tests.conftest import EchoFactory
from tests.contract.support import (
    COMPLETIONS,
    GENERATE,
    Samples,
    assert_error,
    connect,
    post,
    raw_request,
)
from tests.contract.test_request_heads import answers
from tests.limits import DEADLINE
from tests.service_process import Service, eventually

NEW = 16
JSON = "content-type: application/json"
HEAD = b"POST /generate HTTP/1.1\r\nhost: localhost\r\n"
SETTINGS: dict[str, Any] = {
    "engine_args": {"itl": 0.002},
    "header_timeout": 1,
    "body_timeout": 1,
    "keep_alive_timeout": 1,
    "max_new_connections": NEW,
    "max_bodies_bytes": 2**20,
    "max_body_values": 2000,
    "max_body_objects": 1024,
    "max_request_answers": 8,
}


@pytest.fixture
def service(echo_service: EchoFactory) -> Service:
    return echo_service(**SETTINGS)


def code(answer: bytes) -> tuple[int, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), json.loads(body)["error"]["code"]


def closed(service: Service, limit: str) -> int:
    """Returns how many connections were closed because of a limit."""
    return Samples(service).counts("closed_connections", "reason")[limit]


@pytest.mark.parametrize(
    ("sent", "part"),
    [
        (b"G", b"headers"),
        (HEAD + b"x: ", b"headers"),
        (HEAD + b"content-type: application/json\r\ncontent-length: 9\r\n\r\n{", b"body"),
        (HEAD + b"content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n", b"body"),
    ],
)
def test_a_request_that_does_not_come_in_time_is_told_so(
    service: Service, sent: bytes, part: bytes
) -> None:
    before = Samples(service).counts("closed_connections", "reason")
    with connect(service) as slow:
        slow.sendall(sent)
        answer = answers(slow)
        assert code(answer) == (408, "request_timeout")
        assert b"the request's " + part + b" did not come within 1 seconds" in answer
        limit = "body_timeout" if part == b"body" else "header_timeout"
        assert closed(service, limit) == before[limit] + 1


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n\r\n"])
def test_a_connection_without_a_request_is_closed(service: Service, sent: bytes) -> None:
    limits = ("header_timeout", "keep_alive_timeout")
    before = sum(closed(service, limit) for limit in limits)
    with connect(service) as idle:
        idle.sendall(sent)
        assert answers(idle).count(b"HTTP/1.1") == sent.count(b"HTTP/1.1")
    assert sum(closed(service, limit) for limit in limits) > before


def test_a_byte_now_and_then_wins_no_time(service: Service) -> None:
    with connect(service) as slow:
        slow.settimeout(0.1)
        slow.sendall(HEAD)
        answer = b""
        while not answer:
            with suppress(TimeoutError):
                slow.sendall(b"x")
                answer = slow.recv(2**16)
        assert code(answer) == (408, "request_timeout")


def test_a_body_that_nobody_reads_does_not_keep_its_connection(service: Service) -> None:
    with connect(service) as slow:
        slow.sendall(b"GET /livez HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n")
        assert answers(slow).startswith(b"HTTP/1.1 200 ")


@pytest.fixture
def many(service: Service) -> Iterator[list[socket.socket]]:
    """More connections than may be new, each in the middle of its headers."""
    with ExitStack() as stack:
        slow = [stack.enter_context(connect(service)) for _ in range(4 * NEW)]
        for each in slow:
            with suppress(ConnectionError):
                each.sendall(HEAD)
        yield slow


def test_many_slow_connections_keep_nobody_out(service: Service, many: list[socket.socket]) -> None:
    assert post(service, GENERATE, max_tokens=2).status_code == 200
    answered = 0
    for each in many:
        with suppress(ConnectionError):
            answered += bool(each.recv(1))
    assert answered <= NEW, "the older ones were closed without an answer"
    assert closed(service, "max_new_connections") >= 3 * NEW


def test_a_stream_outlives_the_times_of_a_request(service: Service) -> None:
    fields = {"max_tokens": 1000, "ignore_eos": True, "stream": True}
    assert "[DONE]" in post(service, COMPLETIONS, **fields).text


def test_large_bodies_that_come_slowly_give_way(service: Service) -> None:
    """Four of 600 kB are more than 1 MiB in all."""
    half = b'{"prompt": "' + b"a" * 600_000
    head = (JSON, "content-length: 700000")
    with ExitStack() as stack:
        slow = [stack.enter_context(connect(service)) for _ in range(4)]
        for each in slow:
            each.sendall(raw_request("/tokenize", half, *head))
        assert code(answers(slow[0])) == (429, "overloaded")
        assert code(answers(slow[-1])) == (408, "request_timeout")
    answer = service.http.post("/tokenize", json={"prompt": "a" * 700_000})
    assert answer.status_code == 200
    assert service.http.post("/tokenize", json={"prompt": "a" * 700_000}).status_code == 200


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"prompt": [5] * 2001}, "values"),
        ({"prompt": "a", "metadata": [[]] * 1001}, "values"),
        ({"prompt": "a", "metadata": [{}] * 1025}, "values"),
        ({"messages": [{}] * 1025}, "values"),
    ],
)
def test_too_many_values_are_refused_while_they_come(
    service: Service, body: dict[str, Any], name: str
) -> None:
    message = assert_error(service.http.post(COMPLETIONS, json=body), 413, "request_too_large")
    assert name in message


def test_what_stands_in_strings_is_not_counted(service: Service) -> None:
    text = '{,[\\",{"' * 1000
    assert service.http.post("/tokenize", json={"prompt": text}).status_code == 200


def test_one_request_may_not_ask_for_too_many_answers(service: Service) -> None:
    body = {"prompt": ["a"] * 3, "n": 3, "max_tokens": 1}
    message = assert_error(service.http.post(COMPLETIONS, json=body), 400, "invalid_value", "n")
    assert "9 answers" in message


def http_1_0(service: Service, request: bytes) -> tuple[bytes, bytes]:
    with connect(service) as connection:
        connection.sendall(request)
        head, _, body = answers(connection).partition(b"\r\n\r\n")
        return head.lower(), body


def test_http_1_0_gets_a_stream_without_chunks_that_ends_with_the_connection(
    service: Service,
) -> None:
    body = json.dumps({"prompt": "Hello", "max_tokens": 5, "ignore_eos": True}).encode()
    request = raw_request(GENERATE, body, JSON).replace(b"HTTP/1.1", b"HTTP/1.0")
    head, text = http_1_0(service, request)
    assert b"transfer-encoding" not in head
    assert b"connection: close" in head
    assert text == post(service, GENERATE, max_tokens=5, ignore_eos=True).content
    head, text = http_1_0(service, b"GET /livez HTTP/1.0\r\n\r\n")
    assert (b"content-length: 18" in head, text) == (True, b'{"status":"alive"}')


@pytest.mark.parametrize("path", ["/livez", "/v1/models", "/metrics", "/openapi.json", "/"])
def test_head_tells_what_get_would(service: Service, path: str) -> None:
    head, get = service.http.head(path), service.http.get(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == get.headers["content-type"]
    if path != "/metrics":
        assert head.headers["content-length"] == get.headers["content-length"]


def test_nothing_is_left_of_all_that(service: Service) -> None:
    eventually(lambda: len(service.worker().net_connections()) < NEW, DEADLINE, "they are closed")
