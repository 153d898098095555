"""GenerationConfig to the options of the generator, as TurboMind reads it."""

from collections.abc import Mapping
from typing import Any

from tests.doubles.generation import Options
from tests.doubles.generation.json_instance import json_text, tag_text

MOST_STOPS = 32
MOST_TOP_K = 1024


def grammar_of(response_format: Mapping[str, Any]) -> dict[str, Any]:
    """The option of the generator. Raises ValueError for what cannot be followed."""
    match response_format:
        case {"type": "text"}:
            return {}
        case {"type": "json_object"}:
            return {"json_schema": {"type": "object"}}
        case {"type": "structural_tag"}:
            tag_text(response_format)
            return {"structural_tag": response_format}
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:
            json_text(schema)
            return {"json_schema": schema}
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
    grammar = grammar_of(config.response_format) if config.response_format else {}
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
        end_ids=frozenset(stops if not grammar else {eos} & set(stops)),
        **grammar,
    )
