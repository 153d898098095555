"""What each sampler of TensorRT-LLM makes of a request's parameters, for the generator."""

import json
from collections import Counter
from random import Random
from typing import Any

from tests.doubles.generation import Options

from ..sampling_params import SamplingParams

TOP_K_MAX = 1024
ANY_VALUE = {"type": "array"}


def options(params: SamplingParams, prompt: list[int], cpp: bool, shared: Random) -> Options:
    """Raises ValueError for a bias of the wrong length."""
    stops = frozenset(params.stop_token_ids or ())
    end = -1 if params.ignore_eos or params.end_id is None else params.end_id
    ends = stops | ({end} if end >= 0 else frozenset())
    if params.greedy:
        temperature = 0.0
    else:
        temperature = 1.0 if params.temperature is None else params.temperature
    bias = _bias(params)
    given: dict[str, Any] = {
        "max_tokens": params.max_tokens,
        "temperature": temperature,
        "top_p": 1.0 if params.top_p is None else params.top_p,
        "top_k": params.top_k or 0,
        "end_ids": ends,
        "json_schema": _schema(params),
        "structural_tag": _structural_tag(params),
    }
    if cpp:
        # min_tokens holds back the end token, not the other stop tokens.
        given["min_tokens"] = 0 if stops else params.min_tokens or 0
        given |= _cpp(params, prompt, temperature or 1.0, bias)
    else:
        # One generator of random numbers for all requests.
        given["seed"] = shared.getrandbits(63)
        given["min_tokens"] = max(0, (params.min_tokens or 0) - len(prompt))
    return Options(logit_bias=bias, **given)


def _cpp(
    params: SamplingParams, prompt: list[int], temperature: float, bias: dict[int, float]
) -> dict[str, Any]:
    """Penalties are taken from logits that were divided by the temperature; presence and
    frequency are of the prompt too, but for its first `prompt_ignore_length` tokens."""
    presence = (params.presence_penalty or 0.0) * temperature
    frequency = (params.frequency_penalty or 0.0) * temperature
    for token, count in Counter(prompt[params.prompt_ignore_length or 0 :]).items():
        if presence or frequency:
            bias[token] = bias.get(token, 0.0) - presence - frequency * count
    penalty = params.repetition_penalty
    return {
        "top_k": min(params.top_k or 0, TOP_K_MAX),
        "min_p": params.min_p or 0.0,
        "seed": params.seed or 0,
        "repetition_penalty": 1.0 if penalty is None else penalty,
        "presence_penalty": presence,
        "frequency_penalty": frequency,
    }


def _bias(params: SamplingParams) -> dict[int, float]:
    if params.embedding_bias is None:
        return {}
    values = params.embedding_bias.tolist()
    return {token: value for token, value in enumerate(values) if value}


def _schema(params: SamplingParams) -> dict[str, Any] | None:
    guided = params.guided_decoding
    if guided is None:
        return None
    if guided.json_object:
        return ANY_VALUE
    schema: dict[str, Any] = (
        json.loads(guided.json) if isinstance(guided.json, str) else guided.json
    )
    return schema


def _structural_tag(params: SamplingParams) -> dict[str, Any] | None:
    guided = params.guided_decoding
    if guided is None or guided.structural_tag is None:
        return None
    tag: dict[str, Any] = json.loads(guided.structural_tag)
    return tag
