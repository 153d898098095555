"""What an app is asked and what it answers: vLLM's /v1/completions, in token ids."""

from collections.abc import Mapping
from operator import itemgetter
from typing import Any

from common.engine import Chunk, FinishReason, GenerateRequest, TokenLogprob
from common.errors import InternalError

FINISH_REASONS: Mapping[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "repetition": "stop",
}
NAMED_BY_ID = "token_id:"
"""Begins the name of a token under `return_tokens_as_token_ids`."""


def completion_body(request: GenerateRequest, model_id: str) -> dict[str, Any]:
    """`end_token_ids` replace the EOS that vLLM reads from the model's files."""
    sampling = request.sampling
    ends = sampling.end_token_ids
    body: dict[str, Any] = {
        "model": model_id,
        "prompt": list(request.prompt_ids),
        "request_id": request.request_id,
        "stream": True,
        "stream_options": {"include_usage": True},
        "return_token_ids": True,
        "max_tokens": sampling.max_tokens,
        # vLLM suppresses its own EOS below min_tokens even where nothing is to end the answer.
        "min_tokens": sampling.min_tokens if ends else 0,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "min_p": sampling.min_p,
        "repetition_penalty": sampling.repetition_penalty,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
        "seed": sampling.seed,
        "stop_token_ids": sorted(ends),
        # After its last bracket a JSON document leaves only EOS, and then anything at all.
        "ignore_eos": sampling.json_schema is None,
        "logprobs": sampling.logprobs,
        "return_tokens_as_token_ids": True,
    }
    if sampling.logit_bias:
        body["logit_bias"] = {str(token): bias for token, bias in sampling.logit_bias.items()}
    if sampling.json_schema == {"type": "object"}:
        body["structured_outputs"] = {"json_object": True}
    elif sampling.json_schema is not None:
        body["structured_outputs"] = {"json": dict(sampling.json_schema)}
    return body


def introduction(model_id: str, text: str, max_tokens: int) -> dict[str, Any]:
    """Asks for the ids of `text`, and for as many tokens as the context is to hold."""
    return {
        "model": model_id,
        "prompt": text,
        "add_special_tokens": False,
        "stream": True,
        "return_token_ids": True,
        "max_tokens": max(1, max_tokens),
    }


def prompt_ids(event: Mapping[str, Any] | None) -> list[int] | None:
    """Of the first event; None where there are none."""
    choices = (event or {}).get("choices") or [{}]
    ids: list[int] | None = choices[0].get("prompt_token_ids")
    return ids


def chunk(choice: Mapping[str, Any], wanted_logprobs: int | None) -> Chunk:
    """Of one event's only choice."""
    logprobs = None
    if wanted_logprobs is not None:
        logprobs = _logprobs(choice["logprobs"], wanted_logprobs)
    finish = choice["finish_reason"]
    if finish is None:
        return Chunk(choice["token_ids"], None, logprobs)
    reason = FINISH_REASONS.get(finish)
    if reason is None:
        raise InternalError(f"vLLM ended the generation with {finish!r}")
    return Chunk(choice["token_ids"], None, logprobs, reason)


def cached_tokens(usage: Mapping[str, Any]) -> int | None:
    details = usage.get("prompt_tokens_details") or {}
    cached: int | None = details.get("cached_tokens")
    return cached


def _logprobs(given: Mapping[str, Any] | None, wanted: int) -> list[TokenLogprob]:
    """vLLM names the chosen token first, one more than wanted where it is not among the top."""
    if given is None:
        return []
    found = []
    tokens = zip(given["tokens"], given["token_logprobs"], given["top_logprobs"], strict=True)
    for token, logprob, top in tokens:
        ranked = [(_token_id(name), value) for name, value in top.items()]
        if len(ranked) > wanted:
            del ranked[0]
        else:
            ranked.sort(key=itemgetter(1), reverse=True)
        found.append(TokenLogprob(_token_id(token), logprob, ranked))
    return found


def _token_id(name: str) -> int:
    return int(name.removeprefix(NAMED_BY_ID))
