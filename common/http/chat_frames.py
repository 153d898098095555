"""Bodies of /v1/chat/completions: events of a stream, or one object."""

import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from common.http.events import Events, usage_of
from common.http.frames import joined_logprobs, prompt_logprobs, split_calls, token_ids
from common.http.logprobs import Logprobs
from common.http.schemas import ChatBody
from common.serving.answer import Delta, by_choice
from common.serving.job import Job
from common.text.tokenizer import Tokenizer
from common.text.tool_calls import CallPart, ToolCallParser


class ChatFrames:
    """Turns deltas into chat chunks.

    `open_parser` returns the parser of one answer, None where no calls are looked for.
    `reasoning_names` are those that a message has its reasoning by.
    """

    def __init__(
        self,
        model: str,
        job: Job,
        tokenizer: Tokenizer,
        open_parser: Callable[[], ToolCallParser | None],
        body: ChatBody,
        reasoning_names: Sequence[str] = (),
    ) -> None:
        self._job = job
        self._logprobs = Logprobs(tokenizer, by_id=body.return_tokens_as_token_ids)
        self._answers = range(len(job.prompts) * job.n)
        self._identity = {
            "id": f"chatcmpl-{uuid.uuid4().hex}",
            "created": int(time.time()),
            "model": model,
        }
        self._events = events = Events(
            {"object": "chat.completion.chunk", **self._identity}, job, body.stream_options
        )
        rest = {"logprobs": None, "finish_reason": None}
        self._text = events.texts({"delta": {"content": "@"}, **rest})
        self._reasoning_names = reasoning_names
        self._reasoning = events.texts({"delta": dict.fromkeys(reasoning_names, "@"), **rest})
        self._parsers = [open_parser() for _ in self._answers]
        self._shows_prompt_logprobs = body.prompt_logprobs is not None

    def first(self) -> bytes:
        """Returns one chunk per answer with the role."""
        role = {"role": "assistant", "content": ""}
        prompt = self._prompt_ids()
        return b"".join(self._chunk(index, role, **prompt) for index in self._answers)

    def _prompt_ids(self) -> dict[str, Any]:
        """Returns the prompt's ids as a part of a chunk or of the response, on demand."""
        if not self._job.shown.token_ids:
            return {}
        return {"prompt_token_ids": list(self._job.prompts[0])}

    def delta(self, delta: Delta) -> bytes:
        """Returns the chunks of a delta; none while text may still become a tool call."""
        choice, text, ended, logprobs, ids, reasoning = delta
        plain = ended is None and logprobs is None and ids is None
        if plain and not reasoning and self._parsers[choice] is None:
            return self._text(choice, text)
        if plain and reasoning and not text:
            return self._reasoning(choice, reasoning)
        text, parts, finish = self._split(delta)
        frames = b""
        if text or reasoning or logprobs or ids:
            entries = logprobs and self._logprobs.of_chat(logprobs)
            shown = dict.fromkeys(self._reasoning_names, reasoning) if reasoning else {}
            if text or not reasoning:
                shown["content"] = text
            frames = self._chunk(choice, shown, logprobs=entries, token_ids=ids)
        if parts:
            calls = [{"index": index, **call} for index, call in joined_calls(parts).items()]
            frames += self._chunk(choice, {"tool_calls": calls})
        if finish is not None:
            frames += self._chunk(choice, {}, finish_reason=finish)
        return frames

    def last(self) -> bytes:
        """Returns the end of the stream."""
        return self._events.last()

    def response(self, deltas: list[Delta]) -> dict[str, Any]:
        """Returns the one object of a request that does not stream."""
        choices = [self._choice(own) for own in by_choice(deltas, len(self._answers))]
        prompt = self._prompt_ids()
        if self._shows_prompt_logprobs:
            entries = prompt_logprobs(self._job, 0)
            prompt["prompt_logprobs"] = self._logprobs.of_prompt(entries)
        return {
            "object": "chat.completion",
            **self._identity,
            **prompt,
            "choices": choices,
            "usage": usage_of(self._job),
        }

    def _choice(self, deltas: list[Delta]) -> dict[str, Any]:
        text = ""
        reasoning = "".join(delta.reasoning for delta in deltas)
        parts: list[CallPart] = []
        finish = None
        for delta in deltas:
            piece, more, finish = self._split(delta)
            text += piece
            parts += more
        message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
        if reasoning:
            message |= dict.fromkeys(self._reasoning_names, reasoning)
        if parts:
            message["content"] = text or None
            message["tool_calls"] = list(joined_calls(parts).values())
        logprobs = joined_logprobs(deltas)
        return {
            "index": deltas[0].choice,
            "message": message,
            "logprobs": None if logprobs is None else self._logprobs.of_chat(logprobs),
            "finish_reason": finish,
            **token_ids(self._job, deltas),
        }

    def _split(self, delta: Delta) -> tuple[str, list[CallPart], str | None]:
        """Returns the delta's text, its parts of calls, and the finish reason that follows."""
        parser = self._parsers[delta.choice]
        text, parts = split_calls(parser, delta)
        called = parser is not None and parser.calls and delta.finish_reason == "stop"
        return text, parts, "tool_calls" if called else delta.finish_reason

    def _chunk(
        self,
        index: int,
        delta: dict[str, Any],
        *,
        logprobs: Any = None,
        finish_reason: str | None = None,
        token_ids: Sequence[int] | None = None,
        prompt_token_ids: Sequence[int] | None = None,
    ) -> bytes:
        choice: dict[str, Any] = {
            "index": index,
            "delta": delta,
            "logprobs": logprobs,
            "finish_reason": finish_reason,
        }
        if not self._job.shown.token_ids:
            return self._events.choice(choice)
        choice["token_ids"] = list(token_ids or ())
        return self._events.choice(choice, prompt_token_ids=prompt_token_ids)


def joined_calls(parts: Sequence[CallPart]) -> dict[int, dict[str, Any]]:
    """Returns the entry of each call by its number: with id and name where its first part is."""
    calls: dict[int, dict[str, Any]] = {}
    for part in parts:
        if part.id is not None:
            function = {"name": part.name, "arguments": ""}
            calls[part.call] = {"id": part.id, "type": "function", "function": function}
        call = calls.setdefault(part.call, {"function": {"arguments": ""}})
        call["function"]["arguments"] += part.arguments
    return calls
