"""Bodies of /v1/messages: events of a stream, or one message."""

import uuid
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import orjson
from pydantic_core import from_json

from common.http.frames import split_calls
from common.serving.answer import Delta
from common.serving.job import Job
from common.text.tool_calls import CallPart, ToolCallParser

STOP_REASONS = {"stop": "end_turn", "length": "max_tokens"}
PLACE = b'"@"'
"""Stands in a sample where a text goes."""


def event(value: Mapping[str, Any]) -> bytes:
    """Returns an event, which is named by its type."""
    return b"event: %s\ndata: %s\n\n" % (value["type"].encode(), orjson.dumps(value))


class Kind(NamedTuple):
    """A kind of blocks that are made of pieces of text: an empty one, and the field of pieces."""

    empty: Mapping[str, Any]
    field: str
    delta: str


TEXT = Kind({"type": "text", "text": ""}, "text", "text_delta")
THINKING = Kind({"type": "thinking", "thinking": "", "signature": ""}, "thinking", "thinking_delta")


class MessageFrames:
    """Turns the deltas of one answer into blocks.

    A call is shown when it has ended, since one without arguments in JSON is shown as text.
    """

    def __init__(self, model: str, job: Job, parser: ToolCallParser | None) -> None:
        self._model = model
        self._id = f"msg_{uuid.uuid4().hex}"
        self._job = job
        self._parser = parser
        self._called = False
        self._call: list[CallPart] = []
        self._finish: str | None = None
        self._blocks = 0
        self._open: Kind | None = None
        self._parts: tuple[bytes, bytes] = (b"", b"")

    def first(self) -> bytes:
        """Returns the event that begins the message."""
        return event({"type": "message_start", "message": self._message([], None, None)})

    def delta(self, delta: Delta) -> bytes:
        """Returns the events of a delta; none while text may still become a tool call."""
        if not delta.finish_reason:
            # Most deltas only go on with the open block; reasoning has no calls to look for.
            piece = ""
            if self._open is THINKING:
                piece = "" if delta.text else delta.reasoning
            elif self._open is TEXT and self._parser is None:
                piece = "" if delta.reasoning else delta.text
            if piece:
                head, tail = self._parts
                return head + orjson.dumps(piece) + tail
        events = b""
        for kind, piece in self._pieces(delta):
            events += self._piece(kind, piece)
        return events

    def last(self) -> bytes:
        """Returns the events that end the message."""
        reason, sequence = self._stop()
        end = {
            "type": "message_delta",
            "delta": {"stop_reason": reason, "stop_sequence": sequence},
            "usage": self._usage(),
        }
        return self._close() + event(end) + event({"type": "message_stop"})

    def response(self, deltas: list[Delta]) -> dict[str, Any]:
        """Returns the one object of a request that does not stream."""
        content: list[dict[str, Any]] = []
        last: Kind | None = None
        for kind, piece in (each for delta in deltas for each in self._pieces(delta)):
            if kind is None:
                content.append(piece)
            elif kind is last:
                content[-1][kind.field] += piece
            else:
                content.append({**kind.empty, kind.field: piece})
            last = kind
        return self._message(content, *self._stop())

    def _pieces(self, delta: Delta) -> Iterator[tuple[Kind | None, Any]]:
        """Yields what is new: pieces of text by their kind, and blocks of calls without one."""
        if delta.reasoning:
            yield THINKING, delta.reasoning
        text, parts = split_calls(self._parser, delta)
        begun = next((i for i, part in enumerate(parts) if part.id is not None), len(parts))
        self._call += parts[:begun]
        if text:
            # It stands behind a call of earlier deltas, and before one that begins in this.
            yield from self._ended_call(cut=False)
            yield TEXT, text
        for part in parts[begun:]:
            if part.id is not None:
                yield from self._ended_call(cut=False)
            self._call.append(part)
        if delta.finish_reason is not None:
            yield from self._ended_call(cut=delta.finish_reason == "length")
        self._finish = delta.finish_reason

    def _ended_call(self, *, cut: bool) -> Iterator[tuple[Kind | None, Any]]:
        """Yields the call that has ended now, if there is one. One that is `cut` has those of its
        arguments that there are."""
        if not self._call:
            return
        first, parts, self._call = self._call[0], self._call, []
        written = "".join(part.arguments for part in parts)
        arguments = read_arguments(written, cut=cut)
        if arguments is None:
            yield TEXT, f'{{"name": "{first.name}", "arguments": {written}}}'
            return
        self._called = True
        yield None, {"type": "tool_use", "id": first.id, "name": first.name, "input": arguments}

    def _piece(self, kind: Kind | None, piece: Any) -> bytes:
        if kind is None:
            return self._close() + self._whole_call(piece)
        events = b""
        if kind is not self._open:
            events = self._close() + self._start(kind.empty)
            sample = self._delta({"type": kind.delta, kind.field: "@"})
            head, _, tail = sample.partition(PLACE)
            self._open, self._parts = kind, (head, tail)
        return events + self._parts[0] + orjson.dumps(piece) + self._parts[1]

    def _whole_call(self, block: Mapping[str, Any]) -> bytes:
        written = orjson.dumps(block["input"]).decode()
        events = self._start({**block, "input": {}})
        events += self._delta({"type": "input_json_delta", "partial_json": written})
        return events + self._end()

    def _start(self, block: Mapping[str, Any]) -> bytes:
        return event({"type": "content_block_start", "index": self._blocks, "content_block": block})

    def _delta(self, delta: Mapping[str, Any]) -> bytes:
        return event({"type": "content_block_delta", "index": self._blocks, "delta": delta})

    def _close(self) -> bytes:
        """Returns the event that ends the open block, if there is one."""
        if self._open is None:
            return b""
        self._open = None
        return self._end()

    def _end(self) -> bytes:
        self._blocks += 1
        return event({"type": "content_block_stop", "index": self._blocks - 1})

    def _stop(self) -> tuple[str, str | None]:
        """Returns the reason of the end, and the stop sequence if one was it."""
        sequence = self._job.answers[0].stop
        if sequence is not None:
            return "stop_sequence", sequence
        if self._called and self._finish == "stop":
            return "tool_use", None
        return STOP_REASONS[self._finish or "stop"], None

    def _message(
        self, content: list[dict[str, Any]], reason: str | None, sequence: str | None
    ) -> dict[str, Any]:
        return {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": content,
            "stop_reason": reason,
            "stop_sequence": sequence,
            "usage": self._usage(),
        }

    def _usage(self) -> dict[str, int]:
        """Returns the tokens; those that the engine had cached are not among the others."""
        cached, job = self._job.cached_tokens, self._job
        usage = {
            "input_tokens": job.prompt_tokens - (cached or 0),
            "output_tokens": job.completion_tokens,
        }
        return usage if cached is None else {**usage, "cache_read_input_tokens": cached}


def read_arguments(written: str, *, cut: bool) -> dict[str, Any] | None:
    """Returns the arguments of a call, None where they are no JSON object. Of JSON that was `cut`
    there is what has been complete."""
    if not written.strip():
        return {}
    try:
        value = from_json(written, allow_partial=cut)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
