"""The translation to an app's /v1/completions, in token ids, and of its answers and errors."""

from collections.abc import Mapping
from typing import Any

import orjson

from common.engine import Chunk, GenerateRequest
from common.errors import InternalError, Overloaded, ServiceError
from common.messages import one_line
from common.sampling import Sampling
from services._ray_serve.settings import ADAPTER_ARGUMENT
from services._vllm.request import (
    finish_reason,
    nothing_allowed,
    refusal,
    sampling_values,
    structured_outputs,
    token_logprob,
)

NAME_PREFIX = "token_id:"
"""Begins the name of a token under `return_tokens_as_token_ids`."""
LOST = (b"ActorDied", b"ActorUnavailable", b"is unavailable", b"EngineDead", b"EngineCore", b"died")
"""In the body of an HTTP 500: a replica or its engine is gone, and others may take its place."""
GENERATION_FAILED = 500
"""The code in a stream of what vLLM's engine has given up."""
REQUEST_STATUSES = (400, 413, 422)
GATEWAY_STATUSES = (404, 408, 502, 503, 504)
"""Ray's own, while the app, its replicas or their nodes come and go."""


def completion_body(request: GenerateRequest, model_id: str) -> dict[str, Any]:
    """Returns the body of a streamed completion."""
    sampling, adapter = request.sampling, request.adapter
    return {
        "model": model_id,
        "prompt": list(request.prompt_ids),
        "request_id": request.request_id,
        "stream": True,
        "stream_options": {"include_usage": True},
        "return_token_ids": True,
        "return_tokens_as_token_ids": True,
        **sampling_values(sampling),
        "logit_bias": {str(token): bias for token, bias in sampling.logit_bias.items()} or None,
        "structured_outputs": structured_outputs(sampling),
        "cache_salt": sampling.cache_salt,
        "vllm_xargs": None if adapter is None else {ADAPTER_ARGUMENT: adapter.name},
    }


def tokenizer_check_body(model_id: str, text: str, max_tokens: int) -> dict[str, Any]:
    """Returns a body that asks for the ids of `text`, and for as many tokens as must fit."""
    return {
        "model": model_id,
        "prompt": text,
        "add_special_tokens": False,
        "stream": True,
        "return_token_ids": True,
        "max_tokens": max(1, max_tokens),
    }


def prompt_ids(event: Mapping[str, Any] | None) -> list[int] | None:
    """Returns the prompt's ids from the first event of a stream; None where it has none."""
    choices = (event or {}).get("choices") or [{}]
    ids: list[int] | None = choices[0].get("prompt_token_ids")
    return ids


def chunk(choice: Mapping[str, Any], top_logprobs: int | None) -> Chunk:
    """Returns what is new in the only choice of an event. Raises InternalError."""
    logprobs = None
    if top_logprobs is not None:
        entries = (choice["logprobs"] or {}).get("top_logprobs", ())
        logprobs = [token_logprob(_by_token_id(entry), top_logprobs) for entry in entries]
    reason = choice["finish_reason"]
    return Chunk(
        choice["token_ids"],
        logprobs=logprobs,
        finish_reason=None if reason is None else finish_reason(reason),
    )


def _by_token_id(entry: Mapping[str, float]) -> list[tuple[int, float]]:
    return [(int(name.removeprefix(NAME_PREFIX)), value) for name, value in entry.items()]


def cached_tokens(usage: Mapping[str, Any]) -> int | None:
    details = usage.get("prompt_tokens_details") or {}
    cached: int | None = details.get("cached_tokens")
    return cached


def status_error(status: int, body: bytes) -> ServiceError | None:
    """Returns the error of an HTTP status; None when the app is lost."""
    reason = message(body)
    if status in REQUEST_STATUSES:
        return refusal(reason)
    if status == 429:
        return Overloaded("Ray Serve is overloaded: too many requests at once")
    if status in GATEWAY_STATUSES or any(sign in body for sign in LOST):
        return None
    return InternalError(f"Ray Serve answers with status {status}: {reason}")


def event_error(error: Mapping[str, Any], sampling: Sampling) -> ServiceError | None:
    """Returns the error of an event in a stream; None when the engine is lost."""
    code = error.get("code")
    if isinstance(code, int) and 400 <= code < 500:
        return refusal(_without_tail(error.get("message")))
    if code == GENERATION_FAILED and sampling.constrained and sampling.allowed_token_ids:
        return nothing_allowed()
    return None


def message(body: bytes) -> str:
    """Returns what the body of an error says, whichever of Ray's parts has written it."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        content = body.decode("utf-8", "replace")
    if isinstance(content, dict):
        error = content.get("error")
        content = error.get("message") if isinstance(error, dict) else content.get("detail")
    return _without_tail(content)


def _without_tail(text: Any) -> str:
    """Leaves out request ids, and the rejected value, which may be of the prompt."""
    text = " ".join(str(text).split()).removeprefix("Message: ")
    for tail in (" (Request ID: ", ", Internal exception: ", " (parameter="):
        text = text.partition(tail)[0]
    return one_line(text)
