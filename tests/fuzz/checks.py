"""What is wrong with an answer, whatever was asked."""

import json
from collections.abc import Iterable

import h11

from tests.fuzz.requests import Input
from tests.fuzz.responses import Response

TRACES = (b"Traceback (most", b'File "/', b".py:", b"site-packages", b"pydantic")
NAMED = ("unknown_parameter", "unsupported_parameter", "context_length_exceeded")
"""Codes of errors that always name a field."""
OF_THE_WHOLE = ("the body must be a JSON object", "the form is not valid")
"""How messages begin that are about no field."""
ENDS = {"/v1/messages": b'data: {"type":"message_stop"}\n\n', "/v1/responses": b""}
"""The last bytes of a stream of events; on other routes it is [DONE]."""


def faults_of(response: Response, sent: Input) -> list[str]:
    """Returns what is wrong with a response to `sent`, which may be broken."""
    faults = [f"has {trace!r}" for trace in TRACES if trace in response.body]
    if response.status >= 500:
        faults.append(f"status {response.status}")
    if response.status >= 400 and response.body:
        faults += _faults_of_error(response, sent)
    elif response.headers.get("content-type") == "application/json" and response.body:
        faults += _faults_of_json(response.body)
    elif (
        response.headers.get("content-type", "").startswith("text/event-stream")
        and sent.streams_events
    ):
        faults += _faults_of_stream(response.body, sent.path)
    return faults


def _faults_of_json(body: bytes) -> list[str]:
    try:
        json.loads(body)
    except ValueError:
        return ["no JSON"]
    return []


def _faults_of_stream(body: bytes, path: str) -> list[str]:
    """Returns what is wrong with the framing of events, and with the last of them."""
    *events, rest = body.split(b"\n\n")
    end = ENDS.get(path.rstrip("/"), b"data: [DONE]\n\n")
    if rest or not all(b"data: " in event for event in events):
        return ["an event is not framed"]
    ended = body.endswith(end) or b'"error"' in b"".join(events[-1:])
    return [] if ended else ["the stream does not end"]


def _faults_of_error(response: Response, sent: Input) -> list[str]:
    try:
        value = json.loads(response.body)
        error = value["error"]
    except (ValueError, TypeError, KeyError):
        return ["an error without the shape of errors"]
    anthropic = sent.path.startswith("/v1/messages") if sent.whole else "request_id" in value
    outer = {"type", "error", "request_id"} if anthropic else {"error"}
    inner = {"message", "type", "param", "code"} | (set() if anthropic else {"request_id"})
    faults = []
    if set(value) != outer or set(error) != inner:
        faults.append("an error without the shape of its dialect")
    if error.get("code") in NAMED and error.get("param") is None:
        faults.append(f"{error['code']} names no field")
    of_field = not error.get("message", "").startswith(OF_THE_WHOLE)
    if error.get("code") == "invalid_value" and of_field and error.get("param") is None:
        faults.append("invalid_value names no field")
    if len(response.body) > 4096:
        faults.append(f"an error of {len(response.body)} bytes")
    return faults


def too_many(responses: Iterable[Response], data: bytes) -> list[str]:
    """Returns whether more requests were served than a strict reader sees: one was smuggled."""
    served = sum(200 <= response.status < 400 for response in responses)
    seen = requests_in(data)
    return [f"{served} requests served of {seen}"] if served > seen else []


def requests_in(data: bytes) -> int:
    """Returns how many requests h11 reads, one more where it ends at one that it refuses."""
    reader = h11.Connection(h11.SERVER, max_incomplete_event_size=2**20)
    reader.receive_data(data)
    reader.receive_data(b"")
    count = 0
    while True:
        try:
            event = reader.next_event()
        except h11.RemoteProtocolError:
            return count + 1
        if isinstance(event, h11.Request):
            count += 1
            reader.send(h11.Response(status_code=404, headers=[("content-length", "0")]))
            reader.send(h11.EndOfMessage())
        elif event in (h11.NEED_DATA, h11.PAUSED) or isinstance(event, h11.ConnectionClosed):
            if reader.our_state is not h11.DONE or reader.their_state is not h11.DONE:
                return count
            reader.start_next_cycle()
