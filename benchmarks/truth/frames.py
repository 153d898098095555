"""The bytes of an answer, by protocol."""

import json
from collections.abc import Sequence
from typing import Any

SYLLABLES = ("re", "mi", "fa", "so", "lá", "ti")
"""Tokens of the server; one has a character of two bytes."""


def text(first: int, count: int) -> str:
    """Of the tokens from `first` on."""
    return "".join(SYLLABLES[place % len(SYLLABLES)] for place in range(first, first + count))


def raw(first: int, count: int) -> bytes:
    return text(first, count).encode()


def event(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def delta(first: int, count: int, *, chat: bool) -> bytes:
    said = text(first, count)
    choice = {"delta": {"content": said}} if chat else {"text": said}
    return event({"choices": [{"index": 0, **choice, "finish_reason": None}]})


def role() -> bytes:
    choice = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
    return event({"choices": [choice]})


def error() -> bytes:
    return event({"error": {"message": "the engine died", "code": "engine_dead"}})


def ending(tokens: int, prompt: int, *, chat: bool, usage: bool) -> Sequence[bytes]:
    last: dict[str, Any] = {"delta": {}} if chat else {"text": ""}
    made = [event({"choices": [{"index": 0, **last, "finish_reason": "stop"}]})]
    if usage:
        counts = {"prompt_tokens": prompt, "completion_tokens": tokens}
        made.append(event({"choices": [], "usage": counts | {"total_tokens": prompt + tokens}}))
    return [*made, b"data: [DONE]\n\n"]
