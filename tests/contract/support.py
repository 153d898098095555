"""What the contract tests share: requests, raw chunks, events, errors and metrics."""

import json
import socket
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.limits import DEADLINE
from tests.service_process import Service, eventually

CHAT = "/v1/chat/completions"
COMPLETIONS = "/v1/completions"
GENERATE = "/generate"
MARKER = "Xylophonquark"
"""A word of prompts only: it must not appear in messages, logs or series."""

SILENT = {"failure": "hang", "fail_after": 0}
SILENT_SERVICE: dict[str, Any] = {
    "engine_args": SILENT,
    "max_concurrency": 1,
    "max_queue": 1,
    "queue_timeout": 1,
}
"""An Echo with one slot and answers that never come; one more request may wait for a second."""

Body = dict[str, Any]


def user(text: str) -> list[Body]:
    return [{"role": "user", "content": text}]


def body_for(path: str, text: str, /, **fields: Any) -> Body:
    """Returns a request of `text` in the shape of a route."""
    prompt: Body = {"messages": user(text)} if path == CHAT else {"prompt": text}
    return {**prompt, **fields}


def post(service: Service, path: str, text: str = "Hello", /, **fields: Any) -> httpx.Response:
    return service.http.post(path, json=body_for(path, text, **fields))


def answer(service: Service, path: str, text: str = "Hello", /, **fields: Any) -> Body:
    """Returns the parsed answer of a request that must succeed."""
    response = post(service, path, text, **fields)
    assert response.status_code == 200, response.text
    value: Body = response.json()
    return value


def chat(service: Service, messages: list[Body], **fields: Any) -> Body:
    """Returns a greedy chat answer, which must succeed."""
    body = {"messages": messages, "temperature": 0, **fields}
    response = service.http.post(CHAT, json=body)
    assert response.status_code == 200, response.text
    value: Body = response.json()
    return value


def text_of(value: Body) -> str:
    choice = value["choices"][0]
    text: str = choice["message"]["content"] if "message" in choice else choice["text"]
    return text


def tokenize(service: Service, **fields: Any) -> list[int]:
    response = service.http.post("/tokenize", json=fields)
    assert response.status_code == 200, response.text
    ids: list[int] = response.json()["tokens"]
    return ids


def model_card(service: Service) -> Body:
    card: Body = service.http.get("/v1/models").json()["data"][0]
    return card


def events(response: httpx.Response) -> list[Body]:
    """Returns the JSON of each event before [DONE]; the framing must be exact."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    *pieces, end = response.text.split("\n\n")
    assert end == ""
    assert pieces[-1] == "data: [DONE]"
    assert all(piece.startswith("data: {") and "\n" not in piece for piece in pieces[:-1])
    return [json.loads(piece.removeprefix("data: ")) for piece in pieces[:-1]]


def stream(service: Service, path: str, text: str = "Hello", /, **fields: Any) -> list[Body]:
    return events(post(service, path, text, stream=True, **fields))


def assert_error(response: httpx.Response, status: int, code: str, param: str | None = None) -> str:
    """Check the whole error body. Returns its message."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert set(response.json()) == {"error"}
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code", "request_id"}
    assert error["code"] == code, error
    assert error["param"] == param, error
    assert error["request_id"] == response.headers["x-request-id"]
    assert error["type"].endswith("_error")
    message: str = error["message"]
    assert len(message) > 10
    assert MARKER not in response.text
    return message


@dataclass
class RawResponse:
    """A response as it came over the wire; `complete` when its last chunk ended it."""

    head: str = ""
    chunks: list[bytes] = field(default_factory=list)
    complete: bool = False

    @property
    def status(self) -> int:
        return int(self.head.split(" ", 2)[1])


def raw_request(path: str, data: bytes, *headers: str, method: str = "POST") -> bytes:
    head = [f"{method} {path} HTTP/1.1", "host: localhost", *headers]
    if not any(header.startswith(("content-length", "transfer-encoding")) for header in headers):
        head.append(f"content-length: {len(data)}")
    return "\r\n".join([*head, "", ""]).encode() + data


def connect(service: Service) -> socket.socket:
    address = urlsplit(service.url)
    return socket.create_connection((address.hostname, address.port or 0), timeout=60)


def raw_post(service: Service, path: str, body: Body) -> RawResponse:
    """Returns the response chunk by chunk, as HTTP clients do not show it."""
    with connect(service) as connection, connection.makefile("rb") as file:
        data = json.dumps(body).encode()
        connection.sendall(
            raw_request(path, data, "content-type: application/json", "connection: close")
        )
        response = RawResponse()
        while (line := file.readline()) not in (b"\r\n", b""):
            response.head += line.decode("latin-1").lower()
        while size := int(file.readline() or b"0", 16):
            response.chunks.append(file.read(size))
            assert file.readline() == b"\r\n"
        response.complete = file.readline() == b"\r\n"
        return response


class Samples:
    """One scrape of /metrics."""

    def __init__(self, service: Service) -> None:
        response = service.http.get("/metrics")
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/plain; version=")
        self.families = {
            family.name: family for family in text_string_to_metric_families(response.text)
        }
        self._samples = [sample for family in self.families.values() for sample in family.samples]
        self.series = {(s.name, *sorted(s.labels.items())) for s in self._samples}

    def __getitem__(self, name: str) -> float:
        """Returns the value of a series without labels of its own."""
        (value,) = [
            sample.value for sample in self._samples if sample.name == f"gen_ai_server_{name}"
        ]
        return float(value)

    def outcomes(self) -> dict[str, float]:
        name = "gen_ai_server_requests_total"
        return {
            sample.labels["outcome"]: sample.value
            for sample in self._samples
            if sample.name == name
        }


def outcomes_since(service: Service, before: Samples) -> dict[str, float]:
    """Returns by how much each request counter has grown, without those that have not."""
    now, then = Samples(service).outcomes(), before.outcomes()
    return {name: now[name] - then[name] for name in now if now[name] != then[name]}


def expect_outcomes(service: Service, before: Samples, **expected: float) -> None:
    """Wait a moment for these counts: a request is counted just after its last byte."""
    with suppress(AssertionError):
        eventually(lambda: outcomes_since(service, before) == expected, DEADLINE, "counted")
    assert outcomes_since(service, before) == expected


def expect_idle(service: Service, seconds: float = 1) -> None:
    def idle() -> bool:
        samples = Samples(service)
        return samples["requests_running"] == 0 and samples["requests_waiting"] == 0

    eventually(idle, seconds, "nothing runs or waits")
