"""The bytes around a body are limited, before any key is asked for."""

import json
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import openai
import pytest

from tests.conftest import EchoFactory
from tests.contract.support import connect, expect_idle
from tests.service_process import Service, start_service

LIMIT = 4096
URL_LIMIT = LIMIT // 4
KEY = {"authorization": "Bearer k"}
JSON = {"content-type": "application/json"}
FIRST = b"GET /livez HTTP/1.1\r\nhost: localhost\r\n"
CHUNKED = (
    b"POST /generate HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
MUCH = 2**24
"""Bytes; sockets on one machine take less than that when nobody reads."""


SETTINGS: dict[str, Any] = {
    "max_header_bytes": LIMIT,
    "api_keys": "k",
    "engine_args": {"itl": 0.002},
}


@pytest.fixture
def service(echo_service: EchoFactory) -> Service:
    return echo_service(**SETTINGS)


@pytest.fixture(scope="module")
def service_over_tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes a certificate, is not installed")
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key", folder / "certificate"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    words = [*command.split(), "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*words, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    certificate.write_text(certificate.read_text() + key.read_text())
    with start_service("echo", certificate=certificate, **SETTINGS) as started:
        yield started


def answers(connection: socket.socket) -> bytes:
    """Returns everything until the service closes the connection."""
    received = b""
    with suppress(ConnectionResetError, ssl.SSLError):
        while data := connection.recv(2**16):
            received += data
    return received


def assert_refused(answer: bytes, status: int, code: str, limit: int = LIMIT) -> None:
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    assert lines[0].startswith(f"http/1.1 {status} ".encode())
    assert b"connection: close" in lines
    error = json.loads(body)["error"]
    assert error["code"] == code
    assert f"at most {limit} bytes" in error["message"]
    assert f"x-request-id: {error['request_id']}".encode() in lines


def send_until_closed(connection: socket.socket, part: bytes, between: Callable[[], object]) -> int:
    """Returns the bytes that were sent; `between` is called after each part."""
    sent = 0
    with suppress(ConnectionError, ssl.SSLError):
        while sent < MUCH:
            connection.sendall(part)
            sent += len(part)
            between()
    return sent


@pytest.mark.parametrize(
    ("start", "status", "code", "limit"),
    [
        (FIRST + b"x: ", 431, "headers_too_large", LIMIT),
        (FIRST + b"x", 431, "headers_too_large", LIMIT),
        (b"GET /", 414, "uri_too_long", URL_LIMIT),
        (b"POST /generate?", 414, "uri_too_long", URL_LIMIT),
    ],
    ids=["value", "name", "path", "query"],
)
def test_an_endless_head_is_refused_while_others_are_served(
    service: Service, start: bytes, status: int, code: str, limit: int
) -> None:
    prompt = {"prompt": "word " * 100, "max_tokens": 100, "ignore_eos": True}
    undisturbed = service.http.post("/generate", json=prompt, headers=KEY).text
    with service.http.stream("POST", "/generate", json=prompt, headers=KEY) as streamed:
        pieces = streamed.iter_text()
        first = next(pieces)
        with connect(service) as hostile:
            hostile.sendall(start)
            sent = send_until_closed(
                hostile, b"a" * 1024, lambda: service.http.get("/livez").raise_for_status()
            )
            assert_refused(answers(hostile), status, code, limit)
        assert first + "".join(pieces) == undisturbed
    assert sent <= LIMIT + 2 * 1024


@pytest.mark.parametrize("part", [1, 1000, 10 * LIMIT])
def test_an_endless_header_is_refused_in_pieces_of_any_size(service: Service, part: int) -> None:
    with connect(service) as hostile:
        hostile.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        hostile.sendall(FIRST + b"x: ")
        assert send_until_closed(hostile, b"a" * part, lambda: None) < MUCH
        assert_refused(answers(hostile), 431, "headers_too_large")


@pytest.mark.parametrize("start", [FIRST + b"x: ", FIRST + b"\r\n" + FIRST + b"x"])
def test_an_endless_header_over_tls_is_refused(service_over_tls: Service, start: bytes) -> None:
    """The end of the connection takes a second more, in which what comes is thrown away."""
    with connect(service_over_tls) as hostile:
        hostile.sendall(start)
        sent = send_until_closed(
            hostile, b"a" * 1024, lambda: service_over_tls.http.get("/livez").raise_for_status()
        )
        head, _, refusal = answers(hostile).rpartition(b"HTTP/1.1 431 ")
        assert head.count(b"HTTP/1.1 200 ") == start.count(FIRST) - 1
        assert_refused(b"HTTP/1.1 431 " + refusal, 431, "headers_too_large")
    assert sent < MUCH


@pytest.mark.parametrize("count", [129, 10_000])
def test_more_headers_than_allowed_are_refused(service: Service, count: int) -> None:
    with connect(service) as hostile:
        with suppress(ConnectionError):
            hostile.sendall(FIRST + b"a:b\r\n" * count + b"\r\n")
        assert_refused(answers(hostile), 431, "headers_too_large")


def test_headers_just_under_the_limit_are_read(service: Service) -> None:
    head = b"GET /livez HTTP/1.1\r\nconnection: close\r\nx: "
    for padding, status in ((LIMIT - len(head) - 4, 200), (LIMIT, 431)):
        with connect(service) as connection:
            connection.sendall(head + b"a" * padding + b"\r\n\r\n")
            assert answers(connection).startswith(f"HTTP/1.1 {status} ".encode())


@pytest.mark.parametrize(("length", "status"), [(URL_LIMIT, 404), (URL_LIMIT + 1, 414)])
def test_a_url_may_be_as_long_as_the_limit(service: Service, length: int, status: int) -> None:
    response = service.http.get("/".ljust(length, "a"), headers=KEY)
    assert response.status_code == status


def test_each_request_of_a_connection_has_its_own_budget(service: Service) -> None:
    request = FIRST + b"x: " + b"a" * (LIMIT - 1000) + b"\r\n\r\n"
    last = FIRST + b"connection: close\r\n\r\n"
    with connect(service) as connection:
        connection.sendall(request * 5 + last)
        assert answers(connection).count(b"HTTP/1.1 200 OK") == 6


def test_requests_before_a_refused_one_are_answered(service: Service) -> None:
    with connect(service) as hostile:
        hostile.sendall(FIRST + b"\r\n" + FIRST + b"x: " + b"a" * LIMIT + b"\r\n\r\n")
        first, _, second = answers(hostile).partition(b"HTTP/1.1 431 ")
    assert first.startswith(b"HTTP/1.1 200 ")
    assert_refused(b"HTTP/1.1 431 " + second, 431, "headers_too_large")


@pytest.mark.parametrize(
    ("start", "part"),
    [
        (b"2\r\n{}\r\n0\r\n", b"trailer: a\r\n"),
        (b"2\r\n{}\r\n0\r\nx: ", b"a"),
        (b"2;", b"a"),
    ],
    ids=["trailers", "trailer", "extension"],
)
def test_endless_bytes_around_chunks_are_refused(
    service: Service, start: bytes, part: bytes
) -> None:
    begin = CHUNKED.replace(b"\r\n\r\n", b"\r\nauthorization: Bearer k\r\n\r\n")
    with connect(service) as hostile:
        hostile.sendall(begin + start)
        assert send_until_closed(hostile, part * 500, lambda: None) < MUCH
        assert_refused(answers(hostile), 431, "headers_too_large")
    expect_idle(service)


def test_endless_bytes_after_an_answer_close_the_connection(service: Service) -> None:
    with connect(service) as hostile:
        hostile.sendall(CHUNKED + b"2;")
        assert b" 401 " in hostile.recv(2**16)
        assert send_until_closed(hostile, b"a" * 500, lambda: None) < MUCH


@pytest.mark.parametrize("start", [b"", FIRST + b"\r\n"])
def test_endless_blank_lines_close_the_connection(service: Service, start: bytes) -> None:
    with connect(service) as hostile:
        hostile.sendall(start)
        assert send_until_closed(hostile, b"\r\n" * 500, lambda: None) < MUCH


def test_a_body_and_its_chunks_have_no_part_in_the_limit(service: Service) -> None:
    text = "word " * LIMIT

    def chunks() -> Iterator[bytes]:
        yield from (byte.encode() for byte in json.dumps({"prompt": text}))

    for content in (json.dumps({"prompt": text}), chunks()):
        response = service.http.post(
            "/tokenize", content=content, headers={**KEY, "content-type": "application/json"}
        )
        assert response.json()["count"] > LIMIT


def test_a_connection_is_kept_over_streams(service: Service) -> None:
    addresses = set()
    for _ in range(3):
        with service.http.stream("POST", "/generate", json={"prompt": "a"}, headers=KEY) as answer:
            addresses.add(answer.extensions["network_stream"].get_extra_info("client_addr"))
            assert answer.read()
    assert len(addresses) == 1


def test_the_openai_client_streams(service: Service) -> None:
    with openai.OpenAI(base_url=service.url + "/v1", api_key="k", max_retries=0) as client:
        model = client.models.list().data[0].id
        for _ in range(3):
            with client.completions.create(model=model, prompt="a", stream=True) as stream:
                assert "".join(event.choices[0].text for event in stream)
