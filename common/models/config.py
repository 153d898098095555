"""The one reader of a model's configuration files, which all of the repository asks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from common.files import read_array, read_json
from common.models.context import context_length, tokenizer_limit
from common.models.language_model import default_sizes, is_multimodal, language_model, levels
from common.models.quantization import MODELOPT, Quantization, parse_quantization

CONFIG = "config.json"
GENERATION_CONFIG = "generation_config.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
MODULES = "modules.json"
"""Lists what sentence-transformers does with a text."""
QUANTIZATION_CONFIGS = ("quantization_config", "compression_config")
"""Keys of the same object, in files of today and in older ones of compressed-tensors."""
EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
"""Keys under which configs say how many experts a layer has."""
GENERATING = ("LMHeadModel", "ForCausalLM", "ForConditionalGeneration")
"""How the names of classes end, or what they have in them, that generate."""
MTP_LAYERS = ("num_nextn_predict_layers", "mtp_num_hidden_layers", "num_mtp_modules")
"""Keys under which configs say how many layers predict further tokens."""


@dataclass(frozen=True)
class ModelConfig:
    """The contents of config.json, and of four files that may lie beside it.

    `generation` is that of generation_config.json, `modelopt` that of hf_quant_config.json,
    `tokenizer` that of tokenizer_config.json, `modules` that of modules.json; each is empty without
    the file.
    """

    values: Mapping[str, Any]
    generation: dict[str, Any] = field(default_factory=dict)
    modelopt: Mapping[str, Any] = field(default_factory=dict)
    tokenizer: Mapping[str, Any] = field(default_factory=dict)
    modules: Sequence[Mapping[str, Any]] = ()

    @cached_property
    def text(self) -> Mapping[str, Any]:
        """The config of the language model, with the defaults of what it leaves out."""
        return language_model(self.values)

    @property
    def multimodal(self) -> bool:
        """True where the language model is a part of a larger one."""
        return is_multimodal(self.values)

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
    def embeds(self) -> bool:
        """True where the model makes vectors: for sentence-transformers, or without a part that
        generates. Code of its own may add one."""
        if self.modules or not self.architecture.endswith("Model"):
            return bool(self.modules)
        generates = self.architecture.endswith(GENERATING) or any(
            part in str(self.values.get("auto_map")) for part in GENERATING
        )
        return not generates

    @property
    def has_code(self) -> bool:
        """True where the model brings Python code of its own."""
        return bool(self.values.get("auto_map"))

    @property
    def dtype(self) -> str | None:
        """The number format that the config names, such as "bfloat16", None where it names none."""
        dtype = self.text.get("dtype") or self.text.get("torch_dtype") or "auto"
        return None if dtype == "auto" else str(dtype).removeprefix("torch.")

    @property
    def context_length(self) -> int | None:
        """The tokens that the model is for, None where the config does not say."""
        return context_length(self.text)

    @property
    def tokenizer_limit(self) -> int | None:
        """The tokens that the tokenizer's config says the model is for, None where it does not."""
        return tokenizer_limit(self.tokenizer)

    @property
    def longest_context(self) -> int | None:
        """The tokens that may be asked for: a tokenizer may say more than the config."""
        limit = self.context_length
        return None if limit is None else max(limit, self.tokenizer_limit or 0)

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
    def layers(self) -> int | None:
        """The layers of the language model, None where the config does not say."""
        layers = self.text.get("num_hidden_layers")
        return int(layers) if layers else None

    @property
    def experts(self) -> int:
        """The experts of each layer that has some, 0 for a model without."""
        return max(int(self.text.get(name) or 0) for name in EXPERTS)

    @property
    def mtp_layers(self) -> int:
        """The layers that predict tokens after the next one, 0 for a model without."""
        return max(
            int(level.get(name) or 0) for level in (self.text, self.values) for name in MTP_LAYERS
        )

    @property
    def tied(self) -> bool:
        """True where the embedding is the output matrix too."""
        return tied(self.text)

    @property
    def end_token_ids(self) -> frozenset[int]:
        """The ids that end an answer, of both files that name any."""
        return frozenset().union(*self.end_token_ids_by_file.values())

    @property
    def end_token_ids_by_file(self) -> Mapping[str, frozenset[int]]:
        """The same by the file that names them. Of a nested config all levels count."""
        return {
            GENERATION_CONFIG: _ids(self.generation.get("eos_token_id")),
            CONFIG: frozenset(
                token_id
                for level in levels(self.values)
                for token_id in _ids(level.get("eos_token_id"))
            ),
        }

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


def _ids(value: Any) -> frozenset[int]:
    return frozenset([value] if isinstance(value, int) else value or [])


def tied(text: Mapping[str, Any]) -> bool:
    """Returns whether the embedding of the language model `text` is its output matrix too."""
    tie = text.get("tie_word_embeddings")
    if tie is None:
        tie = default_sizes(str(text.get("model_type"))).get("tie_word_embeddings")
    return bool(tie)


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
        read_json(directory / CONFIG),
        optional(GENERATION_CONFIG),
        optional(MODELOPT),
        optional(TOKENIZER_CONFIG),
        read_array(directory / MODULES) if (directory / MODULES).is_file() else (),
    )
