"""Requests of the three protocols."""

from collections.abc import Sequence
from typing import Any

import orjson

from benchmarks.load.spec import Spec

PATHS = {
    "generate": "/generate",
    "chat": "/v1/chat/completions",
    "completions": "/v1/completions",
}


def body(spec: Spec, turns: Sequence[str], max_tokens: int | None) -> bytes:
    """`turns` are what user and model said in turn, the user last; `max_tokens` that of the prompt,
    which the one of the run goes before."""
    values = _conversation(spec, turns)
    limit = spec.max_tokens or max_tokens
    given = {"model": spec.model, "max_tokens": limit, "temperature": spec.temperature}
    if spec.protocol == "generate":
        del given["model"]
    else:
        values |= {"stream": True, "stream_options": {"include_usage": True}}
    values |= {name: value for name, value in given.items() if value is not None}
    if spec.ignore_eos:
        values["ignore_eos"] = True
    return orjson.dumps(values)


def _conversation(spec: Spec, turns: Sequence[str]) -> dict[str, Any]:
    """Without a system prompt of the run /generate is told to have none of its own either."""
    system = spec.system_prompt
    if spec.protocol == "generate":
        return {"prompt": turns[-1], "system_prompt": system or ""}
    if spec.protocol == "completions":
        return {"prompt": f"{system}\n\n{turns[-1]}" if system else turns[-1]}
    messages = [{"role": "system", "content": system or ""}] if system is not None else []
    for place, text in enumerate(turns):
        messages.append({"role": "assistant" if place % 2 else "user", "content": text})
    return {"messages": messages}
