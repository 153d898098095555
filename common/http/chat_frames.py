"""A chat answer as OpenAI's chunks or as one object."""

import time
import uuid
from typing import Any

from common.http.events import TextEvents, event, usage
from common.http.logprobs import chat_logprobs
from common.serving.answer import Delta, by_choice
from common.serving.job import Job
from common.text.tokenizer import Tokenizer
from common.text.tool_calls import ToolCallParser, ToolCallText


class ChatFrames:
    """Turns deltas into frames; keeps one tool-call parser per answer when tools were given."""

    def __init__(self, model: str, job: Job, tokenizer: Tokenizer, tool_format: str | None) -> None:
        self._job = job
        self._tokenizer = tokenizer
        self._answers = range(len(job.prompts) * job.n)
        self._identity = {
            "id": f"chatcmpl-{uuid.uuid4().hex}",
            "created": int(time.time()),
            "model": model,
        }
        self._frame = {"object": "chat.completion.chunk", **self._identity}
        self._text = TextEvents(
            self._frame,
            {"delta": {"content": "@"}, "logprobs": None, "finish_reason": None},
            len(self._answers),
        )
        self._parsers = (
            None if tool_format is None else [ToolCallParser(tool_format) for _ in self._answers]
        )

    def first(self) -> bytes:
        """The role, once per answer."""
        role = {"role": "assistant", "content": ""}
        return b"".join(self._chunk(index, role) for index in self._answers)

    def delta(self, delta: Delta) -> bytes:
        if self._parsers is None and delta.finish_reason is None and delta.logprobs is None:
            return self._text(delta.choice, delta.text)
        text, calls, finish = self._split(delta)
        frames = b""
        if text or delta.logprobs:
            logprobs = delta.logprobs and chat_logprobs(self._tokenizer, delta.logprobs)
            frames = self._chunk(delta.choice, {"content": text}, logprobs=logprobs)
        if calls and self._parsers is not None:
            first = self._parsers[delta.choice].calls - len(calls)
            entries = [{"index": first + i, **_call(call)} for i, call in enumerate(calls)]
            frames += self._chunk(delta.choice, {"tool_calls": entries})
        if finish is not None:
            frames += self._chunk(delta.choice, {}, finish_reason=finish)
        return frames

    def last(self) -> bytes:
        """The usage chunk."""
        return event({**self._frame, "choices": [], "usage": usage(self._job)})

    def whole(self, deltas: list[Delta]) -> dict[str, Any]:
        """The one object of a request that does not stream."""
        choices = [self._choice(own) for own in by_choice(deltas, len(self._answers))]
        return {
            "object": "chat.completion",
            **self._identity,
            "choices": choices,
            "usage": usage(self._job),
        }

    def _choice(self, deltas: list[Delta]) -> dict[str, Any]:
        text = ""
        calls: list[ToolCallText] = []
        logprobs = [entry for delta in deltas for entry in delta.logprobs or ()]
        wanted = any(delta.logprobs is not None for delta in deltas)
        finish = None
        for delta in deltas:
            piece, more, finish = self._split(delta)
            text += piece
            calls += more
        message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
        if calls:
            message["content"] = text or None
            message["tool_calls"] = [_call(call) for call in calls]
        return {
            "index": deltas[0].choice,
            "message": message,
            "logprobs": chat_logprobs(self._tokenizer, logprobs) if wanted else None,
            "finish_reason": finish,
        }

    def _split(self, delta: Delta) -> tuple[str, list[ToolCallText], str | None]:
        """Text and tool calls of a delta, and the finish reason that follows from them."""
        if self._parsers is None:
            return delta.text, [], delta.finish_reason
        parser = self._parsers[delta.choice]
        text, calls = parser.feed(delta.text)
        if delta.finish_reason is None:
            return text, calls, None
        rest, last = parser.finish()
        called = parser.calls and delta.finish_reason == "stop"
        return text + rest, calls + last, "tool_calls" if called else delta.finish_reason

    def _chunk(
        self,
        index: int,
        delta: dict[str, Any],
        *,
        logprobs: Any = None,
        finish_reason: str | None = None,
    ) -> bytes:
        choice = {
            "index": index,
            "delta": delta,
            "logprobs": logprobs,
            "finish_reason": finish_reason,
        }
        return event({**self._frame, "choices": [choice]})


def _call(call: ToolCallText) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}
