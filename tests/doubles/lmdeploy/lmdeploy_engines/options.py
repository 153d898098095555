"""GenerationConfig to the options of the generator, each engine in its own way."""

from collections.abc import Mapping
from typing import Any

from tests.doubles.generation import Options
from tests.doubles.generation.json_instance import json_text

MOST_STOPS = 32
MOST_TOP_K = 1024
NEVER = -1e9


def schema_of(response_format: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Raises ValueError for what cannot be followed."""
    match response_format:
        case {"type": "text"}:
            return None
        case {"type": "json_object"}:
            return {"type": "object"}
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:
            json_text(schema)
            return schema
    raise ValueError(f"{response_format.get('type')!r}")


def turbomind_options(config: Any, eos: int) -> Options:
    """Raises TypeError for values that the C++ fields do not take."""
    for value in (config.max_new_tokens, config.top_k):
        if not isinstance(value, int):
            raise TypeError(f"incompatible function arguments: {value!r}")
    seed = config.random_seed or 0
    if not 0 <= seed < 2**64:
        raise TypeError(f"incompatible function arguments: {seed!r}")
    if config.top_k > MOST_TOP_K:
        raise OverflowError(f"top-k kernel supports 1<=k<=1024 but got k={config.top_k}")
    stops = [] if config.ignore_eos else (config.stop_token_ids or [])[:MOST_STOPS]
    schema = schema_of(config.response_format) if config.response_format else None
    return Options(
        max_tokens=config.max_new_tokens,
        # The token that makes the answer long enough may be the end.
        min_tokens=max((config.min_new_tokens or 0) - 1, 0),
        temperature=config.temperature,
        top_p=config.top_p,
        top_k=config.top_k,
        min_p=config.min_p,
        repetition_penalty=config.repetition_penalty,
        seed=seed,
        # A grammar ends with the tokenizer's own end token.
        end_ids=frozenset(stops if schema is None else {eos} & set(stops)),
        json_schema=schema,
    )


def pytorch_options(config: Any, eos: int, vocab_size: int, logprobs_mode: str | None) -> Options:
    """Raises RuntimeError where the engine's own loop would end with it."""
    if config.top_k > vocab_size:
        raise RuntimeError("selected index k out of range")
    if config.repetition_penalty != 1:
        raise NotImplementedError("a penalty that leaves the prompt out has no double")
    stops = list(config.stop_token_ids or ())
    forbidden = list(config.bad_token_ids or ())
    if config.ignore_eos:
        stops, forbidden = [], forbidden + stops
    minimum = config.min_new_tokens or 0
    schema = schema_of(config.response_format) if config.response_format else None
    return Options(
        max_tokens=config.max_new_tokens,
        min_tokens=minimum if minimum <= config.max_new_tokens else 0,
        temperature=0.0 if config.top_k == 1 else config.temperature,
        top_p=config.top_p,
        top_k=config.top_k,
        min_p=config.min_p,
        seed=(config.random_seed or 0) & 0xFFFFFFFF,
        end_ids=frozenset(stops if schema is None else {eos} & set(stops)),
        logit_bias=_bias(config.logits_processors, forbidden, vocab_size),
        json_schema=schema,
        top_logprobs=config.logprobs if logprobs_mode == "raw_logprobs" else None,
    )


def _bias(processors: Any, forbidden: list[int], vocab_size: int) -> dict[int, float]:
    """What the processors add to a sequence's logits, seen on logits that are all 0."""
    bias = dict.fromkeys(forbidden, NEVER)
    if processors:
        import torch

        logits = torch.zeros(vocab_size)
        for processor in processors:
            logits = processor(torch.zeros(1, dtype=torch.int64), logits)
        bias |= {int(i): float(logits[i]) for i in logits.nonzero().flatten()}
    return bias
