"""A request as the engine's C++ code sees it: checked, with every default filled in."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.doubles.generation import Options

from .data import TokenData

DEFAULTS: Mapping[str, float] = {
    "temperature": 1.0,
    "top_p": 1.0,
    "frequency_penalty": 0.0,
    "presence_penalty": 0.0,
}
"""mlc-chat-config.json has its own."""
RANGES: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "n": ("should be at least 1", lambda value: value >= 1),
    "temperature": ("should be non-negative", lambda value: value >= 0),
    "top_p": ("should be in range [0, 1]", lambda value: 0 <= value <= 1),
    "frequency_penalty": ("must be in [-2, 2]!", lambda value: abs(value) <= 2),
    "repetition_penalty": ("must be positive", lambda value: value > 0),
}
NOT_DOUBLED: Mapping[str, Any] = {
    "n": 1,
    "repetition_penalty": 1.0,
    "logprobs": False,
    "top_logprobs": 0,
    "stop_strs": [],
}


@dataclass(frozen=True)
class Request:
    id: str
    prompt: list[int]
    options: Options


def create(
    request_id: str, inputs: list[TokenData], config_json: str, chat_config: Mapping[str, Any]
) -> Request:
    """Raises RuntimeError, in the thread of the caller."""
    config = {name: value for name, value in json.loads(config_json).items() if value is not None}
    for name, (rule, holds) in RANGES.items():
        if name in config and not holds(config[name]):
            raise RuntimeError(f'Check failed: (gen_config.IsOk()) is false: "{name}" {rule}')
    if any(abs(bias) > 100 for bias in config.get("logit_bias", {}).values()):
        raise RuntimeError("Logit bias value should be in range [-100, 100].")
    for name, value in NOT_DOUBLED.items():
        if config.get(name, value) != value:
            raise NotImplementedError(f"the double takes no {name}")
    (data,) = inputs
    if config.get("debug_config", {}).get("special_request"):
        raise NotImplementedError("the double takes no special_request")
    return Request(request_id, data.token_ids, _options(config, chat_config))


def _options(config: Mapping[str, Any], chat_config: Mapping[str, Any]) -> Options:
    values = {name: config.get(name, chat_config.get(name, own)) for name, own in DEFAULTS.items()}
    debug = config.get("debug_config", {})
    ends = [] if debug.get("ignore_eos") else config.get("stop_token_ids", [])
    seed = config.get("seed")
    return Options(
        max_tokens=config["max_tokens"] if config["max_tokens"] >= 0 else 2**31,
        seed=None if seed is None else seed % 2**32,
        end_ids=frozenset(ends),
        logit_bias={int(key): value for key, value in config.get("logit_bias", {}).items()},
        json_schema=_schema(config.get("response_format")),
        **values,
    )


def _schema(response_format: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if response_format is None or response_format["type"] == "text":
        return None
    if response_format.get("schema") is None:
        return {"type": "object"}
    schema: Mapping[str, Any] = json.loads(response_format["schema"])
    return schema
