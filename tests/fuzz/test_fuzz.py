"""A short run of the fuzzer, and what its parts make of answers that are wrong."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ADAPTERS, EchoFactory
from tests.fuzz.__main__ import errors_in
from tests.fuzz.attack import Attack, Options
from tests.fuzz.checks import faults_of, requests_in, too_many
from tests.fuzz.requests import Input
from tests.fuzz.responses import Malformed, Response, Unfinished, all_responses, first_response
from tests.fuzz.wire import SMUGGLED

INPUTS = 4000
CHAT = "/v1/chat/completions"
ASKED = Input(0, (b"",), "POST", CHAT, whole=True)
ERROR = b'{"error":{"message":"a","type":"b","param":null,"code":"invalid_value","request_id":"c"}}'
EVENTS = {"content-type": "text/event-stream"}


@pytest.mark.parametrize("task", ["generate", "embed"])
def test_no_input_is_answered_wrongly(
    echo_service: EchoFactory, tmp_path_factory: pytest.TempPathFactory, task: str
) -> None:
    folder = tmp_path_factory.getbasetemp() / "fuzzed"
    given: dict[str, Any] = {
        "task": task,
        "batch_dir": f"{folder}-{task}",
        "engine_args": {"length": 8},
    }
    if task == "generate":
        given["adapters"] = f"terse={ADAPTERS['terse']}"
    service = echo_service(**given)
    options = Options(service.url, seed=5, connections=8, deadline=60, task=task)
    attack = Attack(options, service.http.get("/openapi.json").json())
    report = asyncio.run(attack.run(iter(range(INPUTS if task == "generate" else INPUTS // 8))))
    assert report.faults == []
    assert report.codes["200"] > report.inputs // 20
    assert errors_in(service.log) == []


def test_an_input_follows_from_seed_and_number_alone() -> None:
    document = {"paths": {"/a": {"post": {}}}, "components": {"schemas": {}}}
    attacks = [Attack(Options("http://a:1", 5, 1, 1), document) for _ in range(2)]
    assert list(map(attacks[0].input, range(50))) == [attacks[1].input(n) for n in range(50)]


@pytest.mark.parametrize(
    ("response", "fault"),
    [
        (Response(500, body=ERROR), "status 500"),
        (Response(400, body=b"Invalid"), "an error without the shape of errors"),
        (Response(400, body=ERROR), "invalid_value names no field"),
        (Response(400, body=b'{"error":{}}'), "an error without the shape of its dialect"),
        (Response(200, {"content-type": "application/json"}, b"{"), "no JSON"),
        (Response(200, EVENTS, b"data: 1\n\n"), "the stream does not end"),
        (Response(200, EVENTS, b"1\n\ndata: [DONE]\n\n"), "an event is not framed"),
        (Response(200, body=b'\nTraceback (most recent call last):\n  File "a.py'), "has b'Trace"),
    ],
)
def test_a_wrong_answer_is_a_fault(response: Response, fault: str) -> None:
    assert any(each.startswith(fault) for each in faults_of(response, ASKED))


def test_a_right_answer_is_none() -> None:
    error = ERROR.replace(b'"param":null', b'"param":"n"')
    assert faults_of(Response(400, body=error), ASKED) == []
    assert faults_of(Response(200, EVENTS, b"data: 1\n\ndata: [DONE]\n\n"), ASKED) == []


def test_a_smuggled_request_is_a_fault() -> None:
    head = b"POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % len(SMUGGLED)
    assert requests_in(head + SMUGGLED) == 1
    assert requests_in(SMUGGLED + head + SMUGGLED) == 2
    assert too_many([Response(200)] * 2, head + SMUGGLED) == ["2 requests served of 1"]
    assert too_many([Response(200), Response(400)], head + SMUGGLED) == []


def test_responses_are_read_strictly_however_they_are_cut() -> None:
    first = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"
    second = b"HTTP/1.1 404 Not Found\r\ncontent-length: 1\r\nconnection: close\r\n\r\nc"
    for cut in range(len(first)):
        with pytest.raises(Unfinished):
            first_response(first[:cut], ended=False, bodiless=False)
    responses = all_responses(first + second)
    assert [(one.status, one.body, one.closes) for one in responses] == [
        (200, b"ab", False),
        (404, b"c", True),
    ]
    for wrong in (b"HTTP/1.1 400 Bad\r\nx\r\n\r\n", b"ab" + first, first.replace(b"2\r", b"x\r")):
        with pytest.raises(Malformed):
            all_responses(wrong)


def test_errors_are_found_in_a_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("a [INFO] b\nc [ERROR] d\nTraceback (most recent call last):\n")
    assert len(errors_in(log)) == 2
    assert errors_in(None) == []
