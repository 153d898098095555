"""The bytes of an answer in each protocol."""

import json
from collections.abc import Sequence
from typing import Any

MODEL = "truth"
SYLLABLES = ("re", "mi", "fa", "so", "lá", "ti")
"""The server's tokens, of which one has a character of two bytes."""


def text(first: int, count: int) -> str:
    """Returns `count` tokens from number `first` on."""
    return "".join(SYLLABLES[number % len(SYLLABLES)] for number in range(first, first + count))


def raw(first: int, count: int) -> bytes:
    return text(first, count).encode()


def event(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def chunk(choices: list[dict[str, Any]], *, chat: bool, **more: Any) -> bytes:
    """Returns an event with all that OpenAI's has: aiperf ignores one without its "object"."""
    kind, prefix = ("chat.completion.chunk", "chatcmpl") if chat else ("text_completion", "cmpl")
    header = {"id": f"{prefix}-truth", "object": kind, "created": 0, "model": MODEL}
    return event(header | {"choices": choices} | more)


def delta(first: int, count: int, *, chat: bool) -> bytes:
    content = text(first, count)
    choice = {"delta": {"content": content}} if chat else {"text": content}
    return chunk([{"index": 0, **choice, "finish_reason": None}], chat=chat)


def role() -> bytes:
    choice = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
    return chunk([choice], chat=True)


def error() -> bytes:
    return event({"error": {"message": "the engine died", "code": "engine_dead"}})


def ending(tokens: int, prompt: int, *, chat: bool, usage: bool) -> Sequence[bytes]:
    last: dict[str, Any] = {"delta": {}} if chat else {"text": ""}
    events = [chunk([{"index": 0, **last, "finish_reason": "stop"}], chat=chat)]
    if usage:
        counts = {"prompt_tokens": prompt, "completion_tokens": tokens}
        total = counts | {"total_tokens": prompt + tokens}
        events.append(chunk([], chat=chat, usage=total))
    return [*events, b"data: [DONE]\n\n"]
