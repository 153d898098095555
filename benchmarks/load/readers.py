"""What a stream says, read as it comes: raw text, or OpenAI's server-sent events."""

import codecs
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

DATA = b"data:"
DONE = b"[DONE]"
NOT_JSON = "an event that is not JSON"
BROKEN = ("abort", "error")
"""Reasons to finish with which engines tell that an answer is not whole."""


@dataclass(slots=True)
class Heard:
    """`ended` is whether the stream said so itself; `error` is what it said of a failure.

    `beside` is whether something was generated that is not in `text`: reasoning, or calls of tools.
    """

    text: list[str] = field(default_factory=list)
    ended: bool = False
    error: str | None = None
    usage: dict[str, Any] | None = None
    beside: bool = False


class Reader(Protocol):
    heard: Heard

    def feed(self, data: bytes) -> int:
        """How much generated content is in it, in a unit of the reader's own; 0 is none."""

    def close(self) -> None:
        """The body has come to its end by itself."""


class Raw:
    """Counts characters. A body that ends by itself is a whole answer: a broken one lacks the
    terminating chunk, which is an error of the connection."""

    def __init__(self) -> None:
        self.heard = Heard()
        self._decoder = codecs.getincrementaldecoder("utf-8")("strict")

    def feed(self, data: bytes) -> int:
        try:
            text = self._decoder.decode(data)
        except UnicodeDecodeError as error:
            self.heard.error = f"not UTF-8: {error.reason}"
            return 0
        if text:
            self.heard.text.append(text)
        return len(text)

    def close(self) -> None:
        self.heard.ended = not self._decoder.getstate()[0]


class Events:
    """Counts events, which may come several in a read, or in parts; a comment or another field is
    none.

    A role, or an empty delta, is no content; reasoning and tool calls are.
    """

    def __init__(self) -> None:
        self.heard = Heard()
        self._rest = b""

    def feed(self, data: bytes) -> int:
        if b"\r" in data or self._rest.endswith(b"\r"):
            data = self._without_returns(data)
        *events, self._rest = (self._rest + data).split(b"\n\n")
        pieces = 0
        for event in events:
            payload = _payload(event)
            if b"event:" in event and _name(event) == b"error":
                self.heard.error = _named_error(payload)
            elif payload is not None:
                pieces += self._event(payload)
        return pieces

    def close(self) -> None:
        """An answer is whole when its end has been told: by [DONE], or by a reason to finish."""
        if not self._rest.strip():
            return
        before = self.heard.error
        self.feed(b"\n\n")
        if before is None and self.heard.error == NOT_JSON:
            # Half an event is a stream that was cut.
            self.heard.error, self.heard.ended = None, False

    def _without_returns(self, data: bytes) -> bytes:
        """One at the very end may be half of a line's end."""
        data, self._rest = self._rest + data, b""
        held = b"\r" if data.endswith(b"\r") else b""
        self._rest = b""
        return data.removesuffix(b"\r").replace(b"\r\n", b"\n").replace(b"\r", b"\n") + held

    def _event(self, payload: bytes) -> int:
        if payload == DONE:
            self.heard.ended = True
            return 0
        try:
            event = orjson.loads(payload)
        except orjson.JSONDecodeError:
            self.heard.error = NOT_JSON
            return 0
        try:
            return self._object(event)
        except (AttributeError, KeyError, TypeError):
            self.heard.error = "an event of a wrong shape"
            return 0

    def _object(self, event: dict[str, Any]) -> int:
        if event.get("error"):
            self.heard.error = _said(event["error"])
        elif event.get("object") == "error":
            self.heard.error = _said(event)
        if usage := event.get("usage"):
            self.heard.usage = dict(usage)
        choices = event.get("choices")
        return self._choice(choices[0]) if choices else 0

    def _choice(self, choice: dict[str, Any]) -> int:
        if reason := choice.get("finish_reason"):
            self.heard.ended = True
            if reason in BROKEN:
                self.heard.error = self.heard.error or f"finish_reason {reason}"
        delta = choice.get("delta")
        if delta is None:
            text = choice.get("text")
            if text:
                self.heard.text.append(text + "")
            return 1 if text else 0
        text = delta.get("content")
        if text:
            self.heard.text.append(text + "")
            return 1
        if delta.get("reasoning_content") or delta.get("reasoning") or delta.get("tool_calls"):
            self.heard.beside = True
            return 1
        return 0


def _payload(event: bytes) -> bytes | None:
    """What its data lines say, joined by line ends as the standard wants."""
    if event.startswith(DATA) and b"\n" not in event:
        return event[len(DATA) :].strip()
    lines = [
        line[len(DATA) :].removeprefix(b" ") for line in event.split(b"\n") if line[:5] == DATA
    ]
    return b"\n".join(lines).strip() if lines else None


def _name(event: bytes) -> bytes:
    """What its field `event` says."""
    lines = (line for line in event.split(b"\n") if line.startswith(b"event:"))
    return next(lines, b"").removeprefix(b"event:").strip()


def _named_error(payload: bytes | None) -> str:
    """Of an event whose name says that it is one."""
    try:
        told = orjson.loads(payload or b"")
        return _said(told.get("error", told) if isinstance(told, dict) else told)
    except orjson.JSONDecodeError:
        return (payload or b"").decode("utf-8", "replace") or "an event named error"


def _said(error: Any) -> str:
    if isinstance(error, dict):
        return str(error.get("message") or error.get("code") or error)
    return str(error)
