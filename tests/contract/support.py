"""What the contract tests share: requests, raw chunks, events, errors and metrics."""

import json
import socket
from collections import Counter
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
MESSAGES = "/v1/messages"
RESPONSES = "/v1/responses"
COUNT_TOKENS = "/v1/messages/count_tokens"
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
    if path == MESSAGES:
        return {"messages": user(text), "max_tokens": 64, **fields}
    if path == RESPONSES:
        return {"input": text, **fields}
    in_messages = path in (CHAT, COUNT_TOKENS)
    prompt: Body = {"messages": user(text)} if in_messages else {"prompt": text}
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


def named_events(response: httpx.Response) -> list[Body]:
    """Returns the events of /v1/messages, each of which is named by its type."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    *parts, rest = response.text.split("\n\n")
    assert rest == ""
    values = []
    for part in parts:
        name, data = part.split("\n")
        values.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {values[-1]['type']}"
    return values


def message_of(values: list[Body]) -> Body:
    """Returns the message that a stream's events make, put together as clients do."""
    message: Body = {}
    for value in values:
        match value["type"]:
            case "message_start":
                message = value["message"]
            case "content_block_start":
                assert value["index"] == len(message["content"])
                message["content"].append(value["content_block"])
            case "content_block_delta":
                block, delta = message["content"][value["index"]], value["delta"]
                if delta["type"] == "input_json_delta":
                    block["input"] = json.loads(delta["partial_json"])
                else:
                    (field,) = set(delta) - {"type"}
                    block[field] += delta[field]
            case "message_delta":
                message |= value["delta"]
                message["usage"] = value["usage"]
    assert values[-1] == {"type": "message_stop"}
    return message


def stream(service: Service, path: str, text: str = "Hello", /, **fields: Any) -> list[Body]:
    return events(post(service, path, text, stream=True, **fields))


def pieces(chunks: list[Body]) -> str:
    """Returns the text of a stream's chunks, put together."""
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    return "".join(c["delta"].get("content", "") if "delta" in c else c["text"] for c in choices)


def assert_error(response: httpx.Response, status: int, code: str, param: str | None = None) -> str:
    """Check the whole error body. Returns its message."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    error = response.json()["error"]
    if response.request.url.path.startswith(MESSAGES):
        assert set(response.json()) == {"type", "error", "request_id"}
        assert response.json()["type"] == "error"
        assert response.headers["request-id"] == response.headers["x-request-id"]
        error["request_id"] = response.json()["request_id"]
    else:
        assert set(response.json()) == {"error"}
    assert set(error) == {"message", "type", "param", "code", "request_id"}
    assert error["code"] == code, error
    assert error["param"] == param, error
    assert error["request_id"] == response.headers["x-request-id"]
    assert error["type"].endswith(("_error", "request_too_large"))
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
    connection = socket.create_connection((address.hostname, address.port or 0), timeout=60)
    if service.tls is None:
        return connection
    return service.tls.wrap_socket(connection, server_hostname=address.hostname)


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
        """Returns the sum, over the model and its adapters, of a series without other labels."""
        values = self.by_model(name).values()
        assert values
        return sum(values)

    def by_model(self, name: str) -> dict[str, float]:
        """Returns the values of a series by the names of the model and of its adapters."""
        return {
            sample.labels["model"]: float(sample.value)
            for sample in self._samples
            if sample.name == f"gen_ai_server_{name}"
        }

    def outcomes(self) -> Counter[str]:
        """Returns the requests of the model and its adapters by how they ended."""
        return self.counts("requests", "outcome")

    def counts(self, name: str, label: str) -> Counter[str]:
        """Returns the values of a counter by one of its labels, summed over the others."""
        counts: Counter[str] = Counter()
        for sample in self._samples:
            if sample.name == f"gen_ai_server_{name}_total":
                counts[sample.labels[label]] += int(sample.value)
        return counts


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
