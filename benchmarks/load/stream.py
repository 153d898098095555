"""The body of a response, read as it comes: plain text, or OpenAI's server-sent events."""

import codecs
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from common.sse import EventSplitter, event_data, event_name

DONE = b"[DONE]"
NOT_JSON = "an event that is not JSON"
BROKEN = ("abort", "error")
"""Finish reasons by which engines say that an answer is not whole."""


@dataclass(slots=True)
class StreamContent:
    """Holds what has come so far. `ended` is whether the stream said so itself; `error` is what it
    said of a failure; `more_than_text` is whether reasoning or tool calls were generated, which are
    not in `text`."""

    text: list[str] = field(default_factory=list)
    ended: bool = False
    error: str | None = None
    usage: dict[str, Any] | None = None
    more_than_text: bool = False


class StreamReader(Protocol):
    content: StreamContent

    def feed(self, data: bytes) -> int:
        """Returns how much generated content is in `data`, in a unit of the reader's own; 0 is
        none."""

    def close(self) -> None:
        """Ends the reading: the body has come to its end by itself."""


class TextStream:
    """Counts characters. A body that ends by itself is a whole answer: a broken one lacks the
    terminating chunk, which is an error of the connection."""

    def __init__(self) -> None:
        self.content = StreamContent()
        self._decoder = codecs.getincrementaldecoder("utf-8")("strict")

    def feed(self, data: bytes) -> int:
        try:
            text = self._decoder.decode(data)
        except UnicodeDecodeError as error:
            self.content.error = f"not UTF-8: {error.reason}"
            return 0
        if text:
            self.content.text.append(text)
        return len(text)

    def close(self) -> None:
        self.content.ended = not self._decoder.getstate()[0]


class EventStream:
    """Counts events, which may come several in a read, or in parts; a comment or another field is
    none.

    A role, or an empty delta, is no content; reasoning and tool calls are.
    """

    def __init__(self) -> None:
        self.content = StreamContent()
        self._splitter = EventSplitter()

    def feed(self, data: bytes) -> int:
        pieces = 0
        for event in self._splitter.feed(data):
            payload = event_data(event)
            if b"event:" in event and event_name(event) == b"error":
                self.content.error = _named_error(payload)
            elif payload is not None:
                pieces += self._parse(payload)
        return pieces

    def close(self) -> None:
        """Ends the reading. An answer is whole when the stream said so: by [DONE], or by a reason
        to finish. A JSON object in its place is an error, whatever the status."""
        if not self._splitter.rest.strip():
            return
        if (said := _error_of_object(self._splitter.rest)) is not None:
            self.content.error = self.content.error or said
            return
        before = self.content.error
        self.feed(b"\n\n")
        if before is None and self.content.error == NOT_JSON:
            # Half an event is a stream that was cut.
            self.content.error, self.content.ended = None, False

    def _parse(self, payload: bytes) -> int:
        if payload == DONE:
            self.content.ended = True
            return 0
        try:
            event = orjson.loads(payload)
        except orjson.JSONDecodeError:
            self.content.error = NOT_JSON
            return 0
        try:
            return self._read(event)
        except (AttributeError, KeyError, TypeError):
            self.content.error = "an event of a wrong shape"
            return 0

    def _read(self, event: dict[str, Any]) -> int:
        if event.get("error"):
            self.content.error = _message(event["error"])
        elif event.get("object") == "error":
            self.content.error = _message(event)
        if usage := event.get("usage"):
            self.content.usage = dict(usage)
        choices = event.get("choices")
        return self._read_choice(choices[0]) if choices else 0

    def _read_choice(self, choice: dict[str, Any]) -> int:
        if reason := choice.get("finish_reason"):
            self.content.ended = True
            if reason in BROKEN:
                self.content.error = self.content.error or f"finish_reason {reason}"
        delta = choice.get("delta")
        if delta is None:
            text = choice.get("text")
            if text:
                self.content.text.append(text + "")
            return 1 if text else 0
        text = delta.get("content")
        if text:
            self.content.text.append(text + "")
            return 1
        if delta.get("reasoning_content") or delta.get("reasoning") or delta.get("tool_calls"):
            self.content.more_than_text = True
            return 1
        return 0


def _named_error(payload: bytes | None) -> str:
    """Returns the message of an event that is named an error."""
    try:
        value = orjson.loads(payload or b"")
        return _message(value.get("error", value) if isinstance(value, dict) else value)
    except orjson.JSONDecodeError:
        return (payload or b"").decode("utf-8", "replace") or "an event named error"


def _error_of_object(body: bytes) -> str | None:
    """Returns what a body says that is one JSON object, None for another body."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(value, dict):
        return None
    if value.get("error") or value.get("object") == "error":
        return _message(value.get("error") or value)
    return "a JSON object instead of a stream of events"


def _message(error: Any) -> str:
    if isinstance(error, dict):
        return str(error.get("message") or error.get("code") or error)
    return str(error)
