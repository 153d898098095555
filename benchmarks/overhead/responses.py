"""A recorded HTTP response to exact counts; anything but a whole, right answer is an error."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Framing = Literal["text", "events"]


class BadResponse(Exception):
    """The answer failed, was cut, or is not the one that was expected."""


@dataclass(frozen=True)
class Expected:
    """`text` None: only the number of tokens is known beforehand."""

    tokens: int
    text: str | None


def count_pieces(raw: bytes, framing: Framing, expected: Expected) -> int:
    """How many pieces of text a whole answer came in. Raises BadResponse."""
    return READERS[framing](_chunks(raw), expected)


def _chunks(raw: bytes) -> list[bytes]:
    """The HTTP chunks of the body."""
    head, found, body = raw.partition(b"\r\n\r\n")
    if not found:
        raise BadResponse("cut before the end of the headers")
    status = head.split(b" ", 2)[1]
    if status != b"200":
        raise BadResponse(f"status {status.decode()}: {body[:200].decode(errors='replace')}")
    if b"transfer-encoding: chunked" not in head.lower():
        raise BadResponse("not a stream")
    chunks: list[bytes] = []
    position = 0
    while True:
        end = body.find(b"\r\n", position)
        size = int(body[position:end], 16) if end >= 0 else 0
        position = end + 2 + size + 2
        if end < 0 or len(body) < position:
            raise BadResponse(f"cut after {len(chunks)} chunks")
        if size == 0:
            return chunks
        chunks.append(body[end + 2 : end + 2 + size])


def _read_text(chunks: Sequence[bytes], expected: Expected) -> int:
    _check_text(b"".join(chunks).decode(errors="replace"), expected)
    return len(chunks)


def _read_events(chunks: Sequence[bytes], expected: Expected) -> int:
    pieces: list[str] = []
    tokens: int | None = None
    done = False
    for block in b"".join(chunks).split(b"\n\n"):
        data = block.removeprefix(b"data: ").strip()
        if not data:
            continue
        if data == b"[DONE]":
            done = True
            continue
        event = _event(data)
        tokens = (event.get("usage") or {}).get("completion_tokens", tokens)
        pieces += filter(None, map(_text, event["choices"]))
    if not done:
        raise BadResponse("cut: no [DONE]")
    if tokens != expected.tokens:
        raise BadResponse(f"{tokens} tokens by the server's count, not {expected.tokens}")
    _check_text("".join(pieces), expected)
    return len(pieces)


def _event(data: bytes) -> dict[str, Any]:
    try:
        event: dict[str, Any] = json.loads(data)
    except ValueError:
        raise BadResponse(f"an event is not JSON: {data[:200]!r}") from None
    if "error" in event:
        raise BadResponse(f"error event: {event['error']}")
    return event


def _text(choice: Mapping[str, Any]) -> str | None:
    text: str | None = choice["delta"].get("content")
    return text


def _check_text(text: str, expected: Expected) -> None:
    if expected.text is not None and text != expected.text:
        raise BadResponse(f"not the expected text: {len(text)} characters for {len(expected.text)}")


READERS: Mapping[Framing, Callable[[Sequence[bytes], Expected], int]] = {
    "text": _read_text,
    "events": _read_events,
}
