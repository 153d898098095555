"""Well-framed requests to every route of a service, made from its OpenAPI document."""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from tests.fuzz.mutations import broken, changed, written
from tests.fuzz.values import TEXTS, Sampler

JSON = "application/json"
FORM = "multipart/form-data"
TYPES = (
    JSON + "; charset=utf-8", "text/plain", "", "application/json;charset=utf-16", "\xff", FORM,
    "multipart/form-data; boundary=", "application/x-www-form-urlencoded", "APPLICATION/JSON",
)  # fmt: skip
HEADERS = (
    ("x-request-id", "a" * 200), ("x-request-id", "\xe9"), ("x-request-id", "same"),
    ("traceparent", "00-0-0-00"), ("traceparent", "00-" + "1" * 32 + "-" + "2" * 16 + "-01"),
    ("content-encoding", "gzip"), ("content-encoding", "identity"), ("accept", "text/event-stream"),
    ("authorization", "Bearer"), ("authorization", "Basic YTpi"), ("x-api-key", "\xff\xfe"),
    ("expect", "100-continue"), ("origin", "null"), ("range", "bytes=0-1"), ("te", "trailers"),
    ("x-forwarded-for", "127.0.0.1"), ("content-language", "a, b"), ("cookie", "=;=;"),
)  # fmt: skip
QUERIES = ("?", "?a=b", "?limit=0", "?limit=%ff", "?after=a", "?limit=1&limit=2", "?%00", "#a")
BOUNDARY = "b0und"


@dataclass(frozen=True)
class Input:
    """What is sent. `whole` says that it is one well-framed request, to `path` by `method`.

    `pieces` are written one after the other.
    """

    index: int
    pieces: tuple[bytes, ...]
    method: str = ""
    path: str = ""
    whole: bool = False

    @property
    def streams_events(self) -> bool:
        """Whether its answer, if it is a stream, is one of events."""
        return self.whole and self.method != "HEAD" and self.path.rstrip("/") != "/generate"

    @property
    def data(self) -> bytes:
        return b"".join(self.pieces)


class Requests:
    """Makes requests of the operations in a document; `key` is sent with most of them."""

    def __init__(self, document: Mapping[str, Any], key: str | None) -> None:
        self._document = document
        self._key = key
        operations = [
            (method.upper(), path, _body_of(operation))
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        ]
        # Half of the routes have a body, and these have most of what can break.
        self._operations = operations + 5 * [each for each in operations if each[2] is not None]

    def request(self, rng: random.Random, index: int) -> Input:
        method, path, body = rng.choice(self._operations)
        while "{" in path:
            start, end = path.index("{"), path.index("}")
            name = quote(rng.choice(TEXTS)[:100].encode("utf-8", "surrogatepass"), safe="%+;:@")
            path = path[:start] + (name or "default") + path[end + 1 :]
        data, media = self._body(rng, body)
        if rng.random() < 0.02:
            media = rng.choice(TYPES)
        if rng.random() < 0.03:
            path += rng.choice(QUERIES)
        if rng.random() < 0.02:
            method = rng.choice(("GET", "POST", "DELETE", "HEAD", "PUT", "OPTIONS", "PATCH"))
        headers = [("content-type", media)] if media else []
        headers += rng.sample(HEADERS, 1) if rng.random() < 0.1 else []
        if self._key is not None and rng.random() < 0.9:
            headers.append(("authorization", f"Bearer {self._key}"))
        head = framed(method, path, headers, len(data))
        return Input(index, (head + data,), method, re.split("[?#]", path)[0], whole=True)

    def _body(self, rng: random.Random, body: tuple[str, Any] | None) -> tuple[bytes, str]:
        """Returns the bytes of a body and their media type, "" for none."""
        if body is None:
            return b"", ""
        media, schema = body
        value = Sampler(self._document, rng).value(schema)
        if media == FORM:
            data = form(rng, value)
            return (broken(rng, data) if rng.random() < 0.5 else data), (
                f"{FORM}; boundary={BOUNDARY}"
            )
        if rng.random() < 0.65:
            value = changed(rng, value)
        data = written(rng, value)
        return (broken(rng, data) if rng.random() < 0.2 else data), media


def framed(method: str, path: str, headers: list[tuple[str, str]], length: int) -> bytes:
    """Returns the head of a request whose body has `length` bytes."""
    lines = [f"{method} {path} HTTP/1.1", "host: localhost"]
    lines += [f"{name}: {value}" for name, value in headers]
    if length or method not in ("GET", "HEAD", "DELETE"):
        lines.append(f"content-length: {length}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")


def form(rng: random.Random, value: Any) -> bytes:
    """Returns fields as a form, one of them as a file."""
    fields = value if isinstance(value, dict) else {}
    parts = b""
    for name, field in {**fields, "purpose": rng.choice(("batch", "batch", "vision"))}.items():
        file = '; filename="a.jsonl"' if name == "file" else ""
        text = str(field).encode("utf-8", "surrogatepass")
        parts += f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="{name}"{file}'.encode()
        parts += b"\r\n\r\n" + text + b"\r\n"
    return parts + f"--{BOUNDARY}--\r\n".encode()


def _body_of(operation: Mapping[str, Any]) -> tuple[str, Any] | None:
    """Returns an operation's media type with its schema."""
    content = operation.get("requestBody", {}).get("content", {})
    return next(((media, part["schema"]) for media, part in content.items()), None)
