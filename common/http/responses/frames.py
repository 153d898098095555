"""Bodies of /v1/responses: events of a stream, or one object, which its last event has too."""

from collections.abc import Mapping
from typing import Any

import orjson

from common.errors import ServiceError
from common.http.frames import split_calls
from common.http.logprobs import Logprobs
from common.http.responses.answered import Object, ResponseObject
from common.http.responses.output import OpenCall, OpenItem, OpenMessage, OpenReasoning
from common.serving.answer import Delta
from common.text.tokenizer import Tokenizer
from common.text.tool_calls import CallPart, ToolCallParser


class ResponseFrames:
    """Turns deltas into events, which are numbered. At most one item of the output is open."""

    def __init__(
        self, response: ResponseObject, tokenizer: Tokenizer, parser: ToolCallParser | None
    ) -> None:
        self._response = response
        self._logprobs = Logprobs(tokenizer)
        self._parser = parser
        self._number = 0
        self._output: list[Object] = []
        self._open: OpenItem | None = None
        self._call = -1
        self._finish: str | None = None
        self._entries: list[Object] = []

    def first(self) -> bytes:
        """Returns the events before the output."""
        response = self._response.state("in_progress", [])
        return b"".join(
            self._event(f"response.{name}", {"response": response})
            for name in ("created", "in_progress")
        )

    def delta(self, delta: Delta) -> bytes:
        """Returns the events of a delta; none while text may still become a call."""
        _, text, ended, logprobs, _, reasoning = delta
        current = self._open
        if ended is None and not logprobs and current is not None:
            spoken = type(current) is OpenMessage and self._parser is None and not reasoning
            if spoken or (type(current) is OpenReasoning and not text):
                return self._piece(current, text or reasoning)
        text, parts = split_calls(self._parser, delta)
        if logprobs and (delta.text or not reasoning):
            self._entries += self._entries_of(logprobs)
        frames = self._add(OpenReasoning, reasoning) if reasoning else b""
        if text:
            frames += self._add(OpenMessage, text)
        for part in parts:
            frames += self._called(part)
        if ended is not None:
            self._finish = ended
            if not self._output and self._open is None:
                frames += self._begin(OpenMessage())
            frames += self._close()
        return frames

    def last(self) -> bytes:
        """Returns the end of the stream."""
        response = self._ended()
        return self._event(f"response.{response['status']}", {"response": response})

    def response(self, deltas: list[Delta]) -> Object:
        """Returns the one object of a request that does not stream."""
        for delta in deltas:
            self.delta(delta)
        return self._ended()

    def failure(self, error: ServiceError) -> bytes:
        """Returns the end of a stream that breaks off."""
        details = {"code": error.code, "message": error.message, "param": error.param}
        reason = {"code": "server_error", "message": error.message}
        failed = self._response.state("failed", self._output, error=reason)
        return self._event("error", details) + self._event("response.failed", {"response": failed})

    def _ended(self) -> Object:
        if self._finish != "length":
            return self._response.state("completed", self._output)
        reason = {"reason": "max_output_tokens"}
        return self._response.state("incomplete", self._output, incomplete_details=reason)

    def _entries_of(self, logprobs: Any) -> list[Object]:
        entries: list[Object] = self._logprobs.of_chat(logprobs)["content"]
        for entry in (top for each in entries for top in (each, *each["top_logprobs"])):
            entry["bytes"] = entry["bytes"] or []
        return entries

    def _add(self, kind: type[OpenMessage] | type[OpenReasoning], text: str) -> bytes:
        """Returns the events of a piece of text, which may begin an item."""
        frames = b"" if type(self._open) is kind else self._close() + self._begin(kind())
        assert self._open is not None
        return frames + self._piece(self._open, text)

    def _called(self, part: CallPart) -> bytes:
        frames = b""
        if part.call != self._call or not isinstance(self._open, OpenCall):
            self._call = part.call
            frames = self._close() + self._begin(OpenCall(part.id or "", part.name or ""))
        assert self._open is not None
        return frames + (self._piece(self._open, part.arguments) if part.arguments else b"")

    def _begin(self, item: OpenItem) -> bytes:
        self._open = item
        item.set_output_index(len(self._output))
        added = {"output_index": item.index, "item": item.shown("in_progress")}
        frames = self._event("response.output_item.added", added)
        part = item.part()
        if part is None:
            return frames
        return frames + self._event("response.content_part.added", {**item.where, "part": part})

    def _piece(self, item: OpenItem, text: str) -> bytes:
        """Returns the event of a piece of an item: constant bytes around a number and a text."""
        item.pieces.append(text)
        self._number += 1
        head, middle, tail = item.sample
        if self._entries and isinstance(item, OpenMessage):
            entries, self._entries = self._entries, []
            item.logprobs += entries
            tail = b',"logprobs":%b}\n\n' % orjson.dumps(entries)
        return b"%b%d%b%b%b" % (head, self._number - 1, middle, orjson.dumps(text), tail)

    def _close(self) -> bytes:
        """Returns the events that end the open item."""
        item, self._open = self._open, None
        if item is None:
            return b""
        cut = self._finish == "length"
        shown = item.shown("incomplete" if cut else "completed")
        self._output.append(shown)
        frames = self._event(f"{item.EVENT}.done", {**item.where, **item.end()})
        part = item.part()
        if part is not None:
            frames += self._event("response.content_part.done", {**item.where, "part": part})
        done = {"output_index": item.index, "item": shown}
        return frames + self._event("response.output_item.done", done)

    def _event(self, name: str, value: Mapping[str, Any]) -> bytes:
        data = orjson.dumps({"type": name, "sequence_number": self._number, **value})
        self._number += 1
        return b"event: %b\ndata: %b\n\n" % (name.encode(), data)
