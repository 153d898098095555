"""The bytes of an answer, by protocol."""

import json
from collections.abc import Sequence
from typing import Any

MODEL = "truth"
SYLLABLES = ("re", "mi", "fa", "so", "lá", "ti")
"""Tokens of the server; one has a character of two bytes."""


def text(first: int, count: int) -> str:
    """Of the tokens from `first` on."""
    return "".join(SYLLABLES[place % len(SYLLABLES)] for place in range(first, first + count))


def raw(first: int, count: int) -> bytes:
    return text(first, count).encode()


def event(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def chunk(choices: list[dict[str, Any]], *, chat: bool, **more: Any) -> bytes:
    """With all that OpenAI's has: aiperf takes no event whose "object" is missing."""
    kind, prefix = ("chat.completion.chunk", "chatcmpl") if chat else ("text_completion", "cmpl")
    about = {"id": f"{prefix}-truth", "object": kind, "created": 0, "model": MODEL}
    return event(about | {"choices": choices} | more)


def delta(first: int, count: int, *, chat: bool) -> bytes:
    said = text(first, count)
    choice = {"delta": {"content": said}} if chat else {"text": said}
    return chunk([{"index": 0, **choice, "finish_reason": None}], chat=chat)


def role() -> bytes:
    choice = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
    return chunk([choice], chat=True)


def error() -> bytes:
    return event({"error": {"message": "the engine died", "code": "engine_dead"}})


def ending(tokens: int, prompt: int, *, chat: bool, usage: bool) -> Sequence[bytes]:
    last: dict[str, Any] = {"delta": {}} if chat else {"text": ""}
    made = [chunk([{"index": 0, **last, "finish_reason": "stop"}], chat=chat)]
    if usage:
        counts = {"prompt_tokens": prompt, "completion_tokens": tokens}
        whole = counts | {"total_tokens": prompt + tokens}
        made.append(chunk([], chat=chat, usage=whole))
    return [*made, b"data: [DONE]\n\n"]
