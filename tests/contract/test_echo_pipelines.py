"""What follows a request on its connection, be it HTTP or not, changes nothing about its answer."""

import json
import socket

import pytest

from tests.conftest import EchoFactory
from tests.contract.support import GENERATE, Samples, connect, expect_outcomes, raw_request
from tests.contract.test_request_heads import answers
from tests.fuzz.responses import all_responses
from tests.limits import DEADLINE
from tests.service_process import Service, eventually

JSON = "content-type: application/json"
NEXT = b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n"


@pytest.fixture
def service(echo_service: EchoFactory) -> Service:
    return echo_service(engine_args={"itl": 0.002})


def streamed(max_tokens: int) -> bytes:
    body = {"prompt": "Hello", "max_tokens": max_tokens, "ignore_eos": True}
    return raw_request(GENERATE, json.dumps(body).encode(), JSON)


@pytest.mark.parametrize(
    "sent",
    [
        b"nothing of the kind\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nhost: a\r\n: b\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nhost: a\r\n\r\n",
        b"POST /generate HTTP/1.1\r\nhost: a\r\ncontent-length: +5\r\n\r\n",
        b"POST /generate HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n"
        b"transfer-encoding: chunked\r\n\r\n",
        b"POST /generate HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
        b"transfer-encoding: chunked\r\n\r\nxyz\r\n",
    ],
)
def test_what_is_no_http_gets_an_error_in_the_usual_shape(service: Service, sent: bytes) -> None:
    with connect(service) as connection:
        connection.sendall(sent)
        (response,) = all_responses(answers(connection))
    error = json.loads(response.body)["error"]
    assert (response.status, error["code"]) == (400, "invalid_http")
    assert error["request_id"] == response.headers["x-request-id"]
    assert response.closes


def test_an_answer_is_whole_before_the_error_about_what_follows(service: Service) -> None:
    with connect(service) as connection:
        connection.sendall(streamed(200))
        received = connection.recv(2**16)
        connection.sendall(b"nothing of the kind\r\n\r\n")
        answer, error = all_responses(received + answers(connection))
    whole = service.http.post(
        GENERATE, json={"prompt": "Hello", "max_tokens": 200, "ignore_eos": True}
    )
    assert answer.body == whole.content
    assert (error.status, error.closes) == (400, True)


def test_a_client_that_leaves_with_two_requests_open_is_noticed(service: Service) -> None:
    before = Samples(service)
    with connect(service) as connection:
        connection.sendall(streamed(4000) + NEXT)
        assert connection.recv(1)
        connection.shutdown(socket.SHUT_RDWR)
    expect_outcomes(service, before, cancelled=1)
    eventually(lambda: Samples(service)["requests_running"] == 0, DEADLINE, "nothing runs")
    assert "[ERROR]" not in service.log_text()
