"""OpenAI's response bodies: server-sent events, or one object for a request that does not stream.

What is constant in an event is serialized once for each response.
"""

import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from common.engine import TokenLogprob
from common.http.logprobs import TextOffsets, chat_logprobs, completion_logprobs
from common.serving.answer import Delta, by_choice
from common.serving.job import Job
from common.text.tokenizer import Tokenizer
from common.text.tool_calls import ToolCallParser, ToolCallText

DONE = b"data: [DONE]\n\n"


def event(value: Mapping[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"


class TextEvents:
    """Makes the event of a piece of text: constant bytes around a JSON string."""

    __slots__ = ("_heads", "_tail")

    def __init__(self, frame: Mapping[str, Any], choice: Mapping[str, Any], answers: int) -> None:
        """`choice`, copied per answer, holds the placeholder "@" where the text goes."""
        self._heads = []
        for index in range(answers):
            value = {**frame, "choices": [{"index": index, **choice}]}
            head, _, self._tail = event(value).rpartition(b'"@"')
            self._heads.append(head)

    def __call__(self, index: int, text: str) -> bytes:
        return self._heads[index] + orjson.dumps(text) + self._tail


class ChatFrames:
    """Turns deltas into chat chunks; keeps one tool-call parser per answer when tools are given."""

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
        """Returns one chunk per answer with the role."""
        role = {"role": "assistant", "content": ""}
        return b"".join(self._chunk(index, role) for index in self._answers)

    def delta(self, delta: Delta) -> bytes:
        """Returns the chunks of a delta; none while text may still become a tool call."""
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
        """Returns the usage chunk."""
        return event({**self._frame, "choices": [], "usage": _usage(self._job)})

    def response(self, deltas: list[Delta]) -> dict[str, Any]:
        """Returns the one object of a request that does not stream."""
        choices = [self._choice(own) for own in by_choice(deltas, len(self._answers))]
        return {
            "object": "chat.completion",
            **self._identity,
            "choices": choices,
            "usage": _usage(self._job),
        }

    def _choice(self, deltas: list[Delta]) -> dict[str, Any]:
        text = ""
        calls: list[ToolCallText] = []
        finish = None
        for delta in deltas:
            piece, more, finish = self._split(delta)
            text += piece
            calls += more
        message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
        if calls:
            message["content"] = text or None
            message["tool_calls"] = [_call(call) for call in calls]
        logprobs = _joined_logprobs(deltas)
        return {
            "index": deltas[0].choice,
            "message": message,
            "logprobs": None if logprobs is None else chat_logprobs(self._tokenizer, logprobs),
            "finish_reason": finish,
        }

    def _split(self, delta: Delta) -> tuple[str, list[ToolCallText], str | None]:
        """Returns the delta's text, its tool calls, and the finish reason that follows of them."""
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


class CompletionFrames:
    """Turns deltas into completion chunks. `echoes` has the text of each prompt to send first."""

    def __init__(
        self, model: str, job: Job, tokenizer: Tokenizer, echoes: Sequence[str] | None
    ) -> None:
        self._job = job
        self._tokenizer = tokenizer
        self._echoes = echoes
        self._answers = range(len(job.prompts) * job.n)
        self._offsets: dict[int, TextOffsets] = {}
        self._frame = {
            "object": "text_completion",
            "id": f"cmpl-{uuid.uuid4().hex}",
            "created": int(time.time()),
            "model": model,
        }
        self._text = TextEvents(
            self._frame,
            {"text": "@", "logprobs": None, "finish_reason": None},
            len(self._answers),
        )

    def first(self) -> bytes:
        """Returns one chunk per answer with the echoed prompt."""
        if self._echoes is None:
            return b""
        return b"".join(self._text(index, self._echo(index)) for index in self._answers)

    def delta(self, delta: Delta) -> bytes:
        """Returns the chunk of a delta."""
        if delta.finish_reason is None and delta.logprobs is None:
            return self._text(delta.choice, delta.text)
        choice = self._choice(delta.choice, delta.text, delta.logprobs, delta.finish_reason)
        return event({**self._frame, "choices": [choice]})

    def last(self) -> bytes:
        """Returns the usage chunk."""
        return event({**self._frame, "choices": [], "usage": _usage(self._job)})

    def response(self, deltas: list[Delta]) -> dict[str, Any]:
        """Returns the one object of a request that does not stream."""
        choices = []
        for index, own in enumerate(by_choice(deltas, len(self._answers))):
            text = self._echo(index) + "".join(delta.text for delta in own)
            choices.append(self._choice(index, text, _joined_logprobs(own), own[-1].finish_reason))
        return {**self._frame, "choices": choices, "usage": _usage(self._job)}

    def _echo(self, index: int) -> str:
        return "" if self._echoes is None else self._echoes[index // self._job.n]

    def _choice(
        self,
        index: int,
        text: str,
        logprobs: Sequence[TokenLogprob] | None,
        finish_reason: str | None,
    ) -> dict[str, Any]:
        entries = None
        if logprobs is not None:
            if index not in self._offsets:
                self._offsets[index] = TextOffsets(self._tokenizer, len(self._echo(index)))
            entries = completion_logprobs(self._tokenizer, logprobs, self._offsets[index])
        return {
            "index": index,
            "text": text,
            "logprobs": entries,
            "finish_reason": finish_reason,
        }


def _joined_logprobs(deltas: Sequence[Delta]) -> list[TokenLogprob] | None:
    """Returns the log-probabilities of one answer, None where the request asked for none."""
    if all(delta.logprobs is None for delta in deltas):
        return None
    return [entry for delta in deltas for entry in delta.logprobs or ()]


def _call(call: ToolCallText) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}


def _usage(job: Job) -> dict[str, Any]:
    """Returns OpenAI's usage object, with cached tokens where the engine counts them."""
    prompt, completion = job.prompt_tokens, job.completion_tokens
    value: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    if job.cached_tokens is not None:
        value["prompt_tokens_details"] = {"cached_tokens": job.cached_tokens}
    return value
