"""The lines of a batch: OpenAI's format of requests, one JSON object each."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import orjson

URLS = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/messages",
    "/v1/responses",
)
"""The routes that a line may name: those that answer with JSON."""
FIELDS = ("custom_id", "method", "url", "body")
MAX_NAMED = 100
"""Bad lines that are named; all are counted."""
MAX_ID = 512
"""Characters of a custom_id, as in OpenAI's API."""


@dataclass(frozen=True, slots=True)
class Line:
    custom_id: str
    url: str
    body: dict[str, Any]


class Fault(NamedTuple):
    """Says what is wrong with a line; the first one of a file is 1."""

    code: str
    line: int | None
    message: str
    param: str | None = None


class Checked(NamedTuple):
    """How many lines a file has, and which of them are bad, as far as they are named."""

    lines: int
    bad: int
    faults: list[Fault]


class _BadLine(Exception):
    def __init__(self, message: str, param: str | None = None) -> None:
        self.message, self.param = message, param


def check_lines(file: Path, max_lines: int, url: str | None = None) -> Checked:
    """Returns what is wrong with the file; with `url`, all lines have to name that route."""
    ids: set[str] = set()
    faults: list[Fault] = []
    lines = bad = 0
    for number, data in _numbered(file):
        lines += 1
        try:
            line = _line(data)
            if url is not None and line.url != url:
                raise _BadLine(f"url is not the batch's endpoint {url}", "url")
            if line.custom_id in ids:
                raise _BadLine("an earlier line has the same custom_id", "custom_id")
            ids.add(line.custom_id)
        except _BadLine as error:
            bad += 1
            if len(faults) < MAX_NAMED:
                faults.append(Fault("invalid_line", number, error.message, error.param))
    if not lines:
        faults.append(Fault("empty_file", None, "the file has no lines"))
    elif lines > max_lines:
        message = f"the file has {lines} lines; allowed are at most {max_lines}"
        faults.insert(0, Fault("too_many_lines", None, message))
    return Checked(lines, bad, faults)


def read_lines(file: Path) -> Iterator[Line]:
    """Yields the lines of a file that was checked."""
    for _, data in _numbered(file):
        yield _line(data)


def _numbered(file: Path) -> Iterator[tuple[int, bytes]]:
    """Yields the lines that are not empty, with their numbers."""
    with file.open("rb") as opened:
        for number, data in enumerate(opened, 1):
            if data.strip():
                yield number, data


def _line(data: bytes) -> Line:
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise _BadLine(f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise _BadLine("not a JSON object")
    unknown = next((name for name in value if name not in FIELDS), None)
    if unknown is not None:
        raise _BadLine(f"unknown field {unknown[:80]!r}; allowed are {', '.join(FIELDS)}")
    custom_id, body = value.get("custom_id"), value.get("body")
    if not isinstance(custom_id, str) or not 0 < len(custom_id) <= MAX_ID:
        raise _BadLine(f"custom_id has to be a text of 1 to {MAX_ID} characters", "custom_id")
    if value.get("method") != "POST":
        raise _BadLine("method has to be POST", "method")
    if value.get("url") not in URLS:
        raise _BadLine(f"url has to be one of {', '.join(URLS)}", "url")
    if not isinstance(body, dict):
        raise _BadLine("body has to be a JSON object", "body")
    if body.get("stream"):
        raise _BadLine("stream cannot be true in a batch", "body.stream")
    return Line(custom_id, value["url"], body)
