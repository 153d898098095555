"""A client that goes away, or a DELETE, ends a generation at once."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse

import httpx
import pytest

from tests.conftest import EchoFactory
from tests.contract.support import (
    CHAT,
    COMPLETIONS,
    GENERATE,
    MESSAGES,
    RESPONSES,
    SILENT_SERVICE,
    Body,
    Samples,
    assert_error,
    body_for,
    connect,
    expect_idle,
    expect_outcomes,
    outcomes_since,
    post,
    raw_request,
)
from tests.limits import DEADLINE
from tests.service_process import Service, eventually

PATHS = [GENERATE, CHAT, COMPLETIONS, RESPONSES]
"""/v1/messages is not among them: it has no ignore_eos, so its answers may be over before."""
ENDLESS = {"max_tokens": 3000, "ignore_eos": True}


def endless(path: str, **fields: object) -> Body:
    streamed = {} if path == GENERATE else {"stream": True}
    long = {"max_tokens": 3000} if path == MESSAGES else ENDLESS
    return body_for(path, "Count from 1 to 40.", **{**long, **streamed, **fields})


@contextmanager
def unread(service: Service, path: str, body: Body, *headers: str) -> Iterator[None]:
    """Send a request and do not read its answer; at the end the client leaves."""
    with connect(service) as connection:
        data = json.dumps(body).encode()
        connection.sendall(raw_request(path, data, "content-type: application/json", *headers))
        yield


def running(service: Service, count: float = 1) -> None:
    eventually(lambda: Samples(service)["requests_running"] == count, DEADLINE, f"{count} running")


@pytest.mark.parametrize("path", PATHS)
def test_leaving_in_the_middle_of_a_stream_ends_the_generation(
    backend_service: Service, path: str
) -> None:
    before = Samples(backend_service)
    with backend_service.http.stream("POST", path, json=endless(path)) as response:
        pieces = response.iter_raw()
        next(pieces)
        assert Samples(backend_service)["requests_running"] == 1
    expect_idle(backend_service)
    expect_outcomes(backend_service, before, cancelled=1)
    assert Samples(backend_service)["generated_tokens_total"] < (
        before["generated_tokens_total"] + 3000
    )


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS, RESPONSES])
def test_leaving_a_request_that_does_not_stream_ends_the_generation(
    backend_service: Service, path: str
) -> None:
    before = Samples(backend_service)
    with unread(backend_service, path, endless(path, stream=False)):
        running(backend_service)
    expect_idle(backend_service)
    expect_outcomes(backend_service, before, cancelled=1)


@pytest.mark.parametrize("path", PATHS)
def test_a_client_that_has_ended_its_own_side_gets_its_answer(
    backend_service: Service, path: str
) -> None:
    before = Samples(backend_service)
    data = json.dumps(body_for(path, "Hello", max_tokens=60, ignore_eos=True)).encode()
    with connect(backend_service) as connection:
        # The end travels in one segment with the request: no answer has begun when it arrives.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        connection.sendall(raw_request(path, data, "content-type: application/json"))
        connection.shutdown(socket.SHUT_WR)
        response = HTTPResponse(connection)
        response.begin()
        assert response.status == 200
        assert response.getheader("connection") == "close"
        assert response.read()
        assert connection.recv(1) == b""
    expect_outcomes(backend_service, before, length=1)


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
def test_leaving_after_that_ends_the_generation(backend_service: Service, path: str) -> None:
    before = Samples(backend_service)
    data = json.dumps(endless(path, stream=False)).encode()
    with connect(backend_service) as connection:
        connection.sendall(raw_request(path, data, "content-type: application/json"))
        connection.shutdown(socket.SHUT_WR)
        running(backend_service)
    expect_idle(backend_service)
    expect_outcomes(backend_service, before, cancelled=1)


def test_leaving_ends_all_n_answers(backend_service: Service) -> None:
    with unread(backend_service, CHAT, endless(CHAT, n=3)):
        running(backend_service, 3)
    expect_idle(backend_service)


@pytest.mark.parametrize("path", [*PATHS, MESSAGES])
def test_leaving_before_the_first_token_frees_the_only_slot(
    echo_service: EchoFactory, path: str
) -> None:
    service = echo_service(**SILENT_SERVICE)
    before = Samples(service)
    with unread(service, path, endless(path)):
        running(service)
    expect_idle(service, 0.5)
    expect_outcomes(service, before, cancelled=1)


def test_leaving_while_waiting_leaves_the_queue(echo_service: EchoFactory) -> None:
    service = echo_service(**SILENT_SERVICE)
    with unread(service, CHAT, endless(CHAT)):
        running(service)
        with unread(service, GENERATE, endless(GENERATE)):
            eventually(lambda: Samples(service)["requests_waiting"] == 1, DEADLINE, "one waits")
        eventually(lambda: Samples(service)["requests_waiting"] == 0, DEADLINE, "none waits")
        assert Samples(service)["requests_running"] == 1
    expect_idle(service, 0.5)


def test_leaving_in_the_middle_of_the_body_does_no_harm(backend_service: Service) -> None:
    with connect(backend_service) as connection:
        head = raw_request(GENERATE, b"", "content-type: application/json", "content-length: 999")
        connection.sendall(head + b'{"prompt"')
    expect_idle(backend_service)
    before = Samples(backend_service)
    assert post(backend_service, GENERATE, max_tokens=1).status_code == 200
    answered = {"length", "stop"}
    eventually(
        lambda: bool(answered & outcomes_since(backend_service, before).keys()), 2, "counted"
    )


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
def test_a_delete_ends_a_stream_with_one_error_event(backend_service: Service, path: str) -> None:
    before = Samples(backend_service)
    headers = {"x-request-id": "to-be-deleted"}
    with backend_service.http.stream("POST", path, json=endless(path), headers=headers) as response:
        lines = response.iter_lines()
        next(lines)
        deleted = backend_service.http.delete("/v1/requests/to-be-deleted")
        assert deleted.status_code == 200
        assert deleted.json() == {"id": "to-be-deleted", "object": "request", "cancelled": True}
        *_, last = [line for line in lines if line]
    error = json.loads(last.removeprefix("data: "))["error"]
    assert error["code"] == "cancelled"
    assert error["request_id"] == "to-be-deleted"
    expect_outcomes(backend_service, before, cancelled=1)
    assert_error(backend_service.http.delete("/v1/requests/to-be-deleted"), 404, "not_found")


def test_a_delete_breaks_generate_off(backend_service: Service) -> None:
    headers = {"x-request-id": "to-be-deleted"}
    body = endless(GENERATE)
    with backend_service.http.stream("POST", GENERATE, json=body, headers=headers) as response:
        pieces = response.iter_raw()
        next(pieces)
        assert backend_service.http.delete("/v1/requests/to-be-deleted").status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            list(pieces)
    expect_idle(backend_service)


def test_a_delete_before_the_first_byte_is_an_error_answer(backend_service: Service) -> None:
    answers: list[httpx.Response] = []

    def ask() -> None:
        body = endless(CHAT, stream=False)
        answers.append(
            httpx.post(
                backend_service.url + CHAT,
                json=body,
                headers={"x-request-id": "at-once"},
                timeout=30,
            )
        )

    asking = threading.Thread(target=ask)
    asking.start()
    running(backend_service)
    assert backend_service.http.delete("/v1/requests/at-once").status_code == 200
    asking.join()
    assert_error(answers[0], 499, "cancelled")


def test_a_delete_ends_every_request_of_that_id(backend_service: Service) -> None:
    header = "x-request-id: shared"
    with (
        unread(backend_service, CHAT, endless(CHAT), header),
        unread(backend_service, COMPLETIONS, endless(COMPLETIONS), header),
    ):
        running(backend_service, 2)
        assert backend_service.http.delete("/v1/requests/shared").status_code == 200
        expect_idle(backend_service)


def test_a_client_that_does_not_read_holds_up_nobody(backend_service: Service) -> None:
    with unread(backend_service, GENERATE, endless(GENERATE)):
        running(backend_service)
        assert post(backend_service, GENERATE, max_tokens=20).status_code == 200
    expect_idle(backend_service)
