"""The language model's part of a config: nested or not, with the sizes that the config leaves out.

defaults.toml holds those sizes.
"""

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("defaults.toml")
LANGUAGE_MODELS = ("text_config", "llm_config", "language_config", "thinker_config")
"""Keys under which configs of multimodal models hold the config of their language model."""
OTHER_PARTS = ("vision_config", "audio_config")
"""Keys of the configs of their other parts."""


@cache
def _tables() -> dict[str, dict[str, Any]]:
    return tomllib.loads(FILE.read_text("utf-8"))


def default_sizes(model_type: str) -> Mapping[str, Any]:
    """Returns what transformers takes for sizes that a config leaves out, empty where unknown."""
    return {} if model_type == "language_models" else _tables().get(model_type, {})


def levels(config: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yields the whole config, and those nested in it down to that of the language model.

    Some configs nest twice: a `thinker_config` has a `text_config`.
    """
    yield config
    for name in LANGUAGE_MODELS:
        if isinstance(config.get(name), dict):
            yield from levels(config[name])
            return


def language_model(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the config of the language model; what it leaves out is as in the whole model's, or
    else the default of its type."""
    merged: dict[str, Any] = {}
    model_type: Any = None
    for level in levels(config):
        own = level.get("model_type")
        model_type = own or _tables()["language_models"].get(str(model_type), model_type)
        merged |= {
            key: value for key, value in level.items() if value is not None or key not in merged
        }
    for name in LANGUAGE_MODELS:
        merged.pop(name, None)
    if model_type is not None:
        merged["model_type"] = model_type
    return {**default_sizes(str(model_type)), **merged}


def is_multimodal(config: Mapping[str, Any]) -> bool:
    """Returns whether the language model is a part of a larger one."""
    return any(isinstance(config.get(name), dict) for name in (*LANGUAGE_MODELS, *OTHER_PARTS))
