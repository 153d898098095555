"""The one reader of a model's configuration files, which all of the repository asks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from common.files import read_json
from common.models.quantization import MODELOPT, Quantization, parse_quantization

CONFIG = "config.json"
GENERATION_CONFIG = "generation_config.json"
LANGUAGE_MODELS = ("text_config", "llm_config", "language_config", "thinker_config")
"""Keys under which configs of multimodal models hold the config of their language model."""
QUANTIZATION_CONFIGS = ("quantization_config", "compression_config")
"""Keys of the same object, in files of today and in older ones of compressed-tensors."""
TIED_BY_DEFAULT = ("gemma", "gemma2", "gemma3_text")


@dataclass(frozen=True)
class ModelConfig:
    """The contents of config.json, and of two files that may lie beside it.

    `generation` is that of generation_config.json, `modelopt` that of hf_quant_config.json; both
    are empty without the file.
    """

    values: Mapping[str, Any]
    generation: dict[str, Any] = field(default_factory=dict)
    modelopt: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def text(self) -> Mapping[str, Any]:
        """The config of the language model; what it leaves out is as in the whole model's."""
        return _language_model(self.values)

    @property
    def multimodal(self) -> bool:
        """True where the language model is a part of a larger one."""
        return any(isinstance(self.values.get(name), dict) for name in LANGUAGE_MODELS)

    @property
    def model_type(self) -> str:
        """The language model's own type; "None" where the config names none."""
        return str(self.text.get("model_type"))

    @property
    def whole_type(self) -> str:
        """The type of the whole model, which is another than `model_type` for multimodal ones."""
        return str(self.values.get("model_type"))

    @property
    def architecture(self) -> str:
        """The class that loads it, such as "LlamaForCausalLM"; "" where the config names none."""
        return str(next(iter(self.values.get("architectures") or ()), ""))

    @property
    def has_code(self) -> bool:
        """True where the model brings Python code of its own."""
        return bool(self.values.get("auto_map"))

    @property
    def dtype(self) -> str:
        """The checkpoint's own number format, such as "bfloat16"."""
        dtype = self.text.get("dtype") or self.text.get("torch_dtype") or "float32"
        return str(dtype).removeprefix("torch.")

    @property
    def context_length(self) -> int | None:
        """The tokens that the model is for, None where the config does not say."""
        limit = self.text.get("max_position_embeddings") or self.text.get("n_positions")
        return int(limit) if limit else None

    @property
    def vocab_size(self) -> int | None:
        """The rows of the embedding, None where the config does not say."""
        size = self.text.get("vocab_size")
        return int(size) if size else None

    @property
    def heads(self) -> int | None:
        """The attention heads of each layer, None where the config does not say."""
        heads = self.text.get("num_attention_heads")
        return int(heads) if heads else None

    @property
    def tied(self) -> bool:
        """True where the embedding is the output matrix too."""
        return tied(self.text)

    @property
    def end_token_ids(self) -> frozenset[int]:
        """The ids that end an answer, from generation_config.json, else from config.json."""
        ids = self.generation.get("eos_token_id")
        if ids is None:
            ids = self.text.get("eos_token_id")
        return frozenset([ids] if isinstance(ids, int) else ids or [])

    @cached_property
    def quantization(self) -> Quantization:
        """Returns how the weights are stored. Raises StartError for a malformed description."""
        return parse_quantization(self._quantization_config)

    @property
    def _quantization_config(self) -> Mapping[str, Any]:
        """Empty for plain weights."""
        for config in (self.values, self.text):
            for name in QUANTIZATION_CONFIGS:
                values = config.get(name)
                if values and isinstance(values, dict):
                    return values
        return {"quant_method": "modelopt", **self.modelopt} if self.modelopt else {}


def _language_model(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Some configs nest twice: a `thinker_config` has a `text_config`."""
    for name in LANGUAGE_MODELS:
        nested = config.get(name)
        if isinstance(nested, dict):
            outer = {key: value for key, value in config.items() if key != name}
            return _language_model({**outer, **nested})
    return config


def tied(text: Mapping[str, Any]) -> bool:
    """Returns whether the embedding of the language model `text` is its output matrix too."""
    tie = text.get("tie_word_embeddings")
    return text.get("model_type") in TIED_BY_DEFAULT if tie is None else bool(tie)


def head_size(text: Mapping[str, Any]) -> int:
    """Returns the numbers of one attention head. Raises KeyError where the config lacks them."""
    return int(text.get("head_dim") or text["hidden_size"] // text["num_attention_heads"])


def kv_heads(text: Mapping[str, Any]) -> int:
    """Returns the heads of keys and values. Raises KeyError where the config lacks them."""
    return int(text.get("num_key_value_heads") or text["num_attention_heads"])


def read_config(directory: Path) -> ModelConfig:
    """Raises StartError for a config.json that is missing, and for any file that is no JSON."""

    def optional(name: str) -> dict[str, Any]:
        return read_json(directory / name) if (directory / name).is_file() else {}

    return ModelConfig(
        read_json(directory / CONFIG), optional(GENERATION_CONFIG), optional(MODELOPT)
    )
