"""Clients get clear errors when an engine fails: Echo fails as its settings say."""

import http.client
import json
import signal
import threading

import httpx
import pytest

from tests.conftest import EchoFactory
from tests.contract.support import (
    CHAT,
    COMPLETIONS,
    GENERATE,
    MARKER,
    MESSAGES,
    RESPONSES,
    Samples,
    assert_error,
    body_for,
    expect_idle,
    expect_outcomes,
    post,
    raw_post,
)
from tests.limits import DEADLINE
from tests.service_process import Service, eventually

MIDSTREAM = {"failure": "midstream", "fail_after": 3}
AT_ONCE = {"failure": "request", "fail_after": 0}


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
def test_a_failure_in_a_stream_is_one_error_event_and_no_done(
    echo_service: EchoFactory, path: str
) -> None:
    service = echo_service(engine_args=MIDSTREAM)
    before = Samples(service)
    response = post(service, path, stream=True)
    assert response.status_code == 200
    *pieces, end = response.text.split("\n\n")
    assert end == ""
    values = [json.loads(piece.removeprefix("data: ")) for piece in pieces]
    assert [set(value) == {"error"} for value in values] == [False] * (len(values) - 1) + [True]
    assert values[-1]["error"]["code"] == "internal_error"
    assert values[-1]["error"]["request_id"] == response.headers["x-request-id"]
    assert not any(choice["finish_reason"] for v in values[:-1] for choice in v["choices"])
    expect_outcomes(service, before, error=1)


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
def test_a_failure_of_an_answer_that_does_not_stream_is_a_500(
    echo_service: EchoFactory, path: str
) -> None:
    service = echo_service(engine_args=MIDSTREAM)
    assert_error(post(service, path), 500, "internal_error")


def test_a_failure_in_generate_leaves_the_body_incomplete(echo_service: EchoFactory) -> None:
    service = echo_service(engine_args=MIDSTREAM)
    before = Samples(service)
    response = raw_post(service, GENERATE, {"prompt": "Hello"})
    assert response.status == 200
    assert response.chunks
    assert not response.complete
    expect_outcomes(service, before, error=1)


def test_http_clients_see_the_incomplete_body(echo_service: EchoFactory) -> None:
    service = echo_service(engine_args=MIDSTREAM)
    with pytest.raises(httpx.RemoteProtocolError):
        post(service, GENERATE)
    connection = http.client.HTTPConnection(service.url.removeprefix("http://"))
    data = json.dumps({"prompt": "Hello"})
    connection.request("POST", GENERATE, data, {"content-type": "application/json"})
    with pytest.raises(http.client.IncompleteRead):
        connection.getresponse().read()
    connection.close()


@pytest.mark.parametrize("path", [GENERATE, CHAT, COMPLETIONS, MESSAGES, RESPONSES])
def test_a_failure_before_the_first_token_is_a_500_without_details(
    echo_service: EchoFactory, path: str
) -> None:
    service = echo_service(engine_args=AT_ONCE)
    fields = {} if path == GENERATE else {"stream": True}
    before = Samples(service)
    assert_error(post(service, path, MARKER, **fields), 500, "internal_error")
    expect_outcomes(service, before, error=1)
    expect_idle(service)
    assert service.is_ready()


@pytest.mark.parametrize("path", [GENERATE, CHAT, COMPLETIONS, MESSAGES, RESPONSES])
def test_an_engine_that_says_nothing_is_a_504(echo_service: EchoFactory, path: str) -> None:
    hang = {"failure": "hang", "fail_after": 0}
    service = echo_service(engine_args=hang, first_token_timeout=0.3)
    before = Samples(service)
    assert "0.3" in assert_error(post(service, path), 504, "timeout")
    expect_outcomes(service, before, error=1)
    expect_idle(service)


def test_all_that_wait_get_the_error_of_a_dead_engine_at_once(
    fresh_echo_service: EchoFactory,
) -> None:
    death = {"failure": "death", "fail_after": 600, "itl": 0.005}
    service = fresh_echo_service(engine_args=death, max_concurrency=2)
    answers: list[httpx.Response] = []

    def ask(max_tokens: int) -> None:
        body = body_for(CHAT, "Hello", max_tokens=max_tokens, ignore_eos=True)
        answers.append(httpx.post(service.url + CHAT, json=body, timeout=20))

    threads = [threading.Thread(target=ask, args=(800,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    eventually(lambda: Samples(service)["requests_waiting"] == 2, DEADLINE, "two wait")
    for thread in threads:
        thread.join(DEADLINE)
    assert len(answers) == 4
    for answer in answers:
        assert_error(answer, 503, "engine_dead")
        assert int(answer.headers["retry-after"]) > 0
    for path in ("/livez", "/readyz", "/healthz"):
        assert_error(service.http.get(path), 503, "engine_dead")
    assert_error(post(service, GENERATE), 503, "engine_dead")
    assert service.http.get("/metrics").status_code == 200


def test_what_outlasts_the_drain_timeout_gets_an_error(fresh_echo_service: EchoFactory) -> None:
    service = fresh_echo_service(engine_args={"itl": 0.01}, drain_timeout=3)
    body = body_for(CHAT, "Hello", max_tokens=3000, stream=True)
    with service.http.stream("POST", CHAT, json=body) as response:
        lines = response.iter_lines()
        next(lines)
        service.process.send_signal(signal.SIGTERM)
        eventually(lambda: not service.is_ready(), DEADLINE, "not ready")
        assert_error(service.http.get("/readyz"), 503, "draining")
        assert service.http.get("/livez").status_code == 200
        *_, last = [line for line in lines if line]
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "draining"


def test_the_log_has_the_request_id_of_a_failure(echo_service: EchoFactory) -> None:
    service: Service = echo_service(engine_args=AT_ONCE)
    body = {"prompt": MARKER}
    service.http.post(GENERATE, json=body, headers={"x-request-id": "failed-request"})
    eventually(
        lambda: "failed-request: internal_error" in service.log_text(), DEADLINE, "in the log"
    )
    assert MARKER not in service.log_text()
