"""Whether TGI reads a long prompt in parts, as its launcher and its shards decide it.

Where it does not, TGI refuses to start unless its budget for one pass holds the longest prompt.
Sources: launcher/src/main.rs (resolve_attention), server/text_generation_server/models/__init__.py
and model.py of 3.3.
"""

import os
from collections.abc import Mapping
from typing import Any

from common.models.gpu import detected_gpus
from common.models.model import Model
from common.settings import Settings

TYPES = frozenset(
    (
        "baichuan", "cohere", "dbrx", "deepseek_v2", "deepseek_v3", "falcon", "gemma", "gemma2",
        "gemma3_text", "gpt2", "gpt_bigcode", "gpt_neox", "gptj", "granite", "idefics2", "idefics3",
        "llama", "llava_next", "mistral", "mixtral", "paligemma", "phi", "phi3", "phimoe", "qwen2",
        "starcoder2",
    )
)  # fmt: skip
"""Models of TGI's own; others run on transformers, in one pass."""
WITHOUT_FLASHINFER = ("deepseek_v2", "falcon")
FLASHINFER_HEADS = (64, 128, 256)
"""Sizes of an attention head."""
LEAST_CAPABILITY = 8
"""Below this compute capability, paged attention takes the place of flashdecoding."""


def reads_in_parts(settings: Settings, model: Model) -> bool:
    if not settings.chunked_prefill or model.config.whole_type not in TYPES:
        return False
    if settings.speculative is not None:
        return False
    return not _attention_is_paged(model)


def _attention_is_paged(model: Model) -> bool:
    named = os.environ.get("ATTENTION")
    if named is not None:
        return named == "paged"
    size = _head_size(model.config.values)
    if size in FLASHINFER_HEADS and model.config.whole_type not in WITHOUT_FLASHINFER:
        return False
    capabilities = [float(gpu.compute_capability) for gpu in detected_gpus()]
    return min(capabilities, default=0.0) < LEAST_CAPABILITY


def _head_size(config: Mapping[str, Any]) -> int | None:
    """Returns what the launcher finds, which knows no defaults of a model's type."""
    text = config.get("text_config") or {}
    if config.get("head_dim") is not None:
        return int(config["head_dim"])
    hidden = config.get("hidden_size") or config.get("n_embd")
    heads = config.get("num_attention_heads")
    if hidden and heads and hidden % heads == 0:
        return int(hidden // heads)
    return None if text.get("head_dim") is None else int(text["head_dim"])
