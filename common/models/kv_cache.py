"""The KV cache of a model: how many numbers each layer keeps for each token."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from common.models.config import head_size, kv_heads
from common.models.errors import NotUnderstood
from common.models.formats import cache_formats
from common.models.tensors import BYTES

OTHER_CACHES = (
    "full_attention_interval",
    "hybrid_override_pattern",
    "attn_layer_period",
    "mamba_d_state",
    "ssm_cfg",
    "state_size",
    "rwkv_hidden_size",
    "linear_num_value_heads",
)
"""In the configs of models that keep a state for each sequence beside keys and values, or instead
of them."""
ATTENTION = ("full_attention", "sliding_attention", "chunked_attention")
WINDOWED_BY_PATTERN = {"gemma2": 2, "gemma3_text": 6, "cohere2": 4}
"""Model types of which all layers but each n-th have a sliding window."""
ALWAYS_WINDOWED = ("mistral", "mixtral", "phi3", "starcoder2")
"""Model types of which every layer has the window that the config names."""


@dataclass(frozen=True, slots=True)
class KVCache:
    """`numbers` and `heads` are for one layer of one token, on each GPU: keys and values together.

    `windows` has an entry for each layer: the tokens that it keeps, None for all.
    """

    numbers: int
    heads: int
    windows: tuple[int | None, ...]

    def stage(self, stages: int) -> "KVCache":
        """Returns what the fullest of so many stages keeps, each of which has a part of the
        layers."""
        size = -(-len(self.windows) // stages)
        parts = [self.windows[i : i + size] for i in range(0, len(self.windows), size)]
        fullest = max(parts, key=lambda part: (part.count(None), len(part)), default=())
        return replace(self, windows=fullest)

    def token_bytes(self, dtype: str) -> int:
        """Returns the bytes of all layers for a token that every layer keeps."""
        return len(self.windows) * self._layer_bytes(dtype)

    def sequence_bytes(self, tokens: int, dtype: str, *, frees: bool) -> int:
        """Returns the bytes of one sequence; `frees` says that the engine drops what has left a
        window."""
        kept = sum(
            min(tokens, window) if frees and window is not None else tokens
            for window in self.windows
        )
        return kept * self._layer_bytes(dtype)

    def _layer_bytes(self, dtype: str) -> int:
        quantized = cache_formats().get(dtype)
        if quantized is None:
            return self.numbers * BYTES[dtype]
        return -(-self.numbers * quantized.bits // 8) + self.heads * quantized.extra


def kv_cache(config: Mapping[str, Any], gpus: int = 1, *, expanded: bool = False) -> KVCache:
    """Reads the language model's config. `expanded` is for engines that keep the keys and values
    of MLA themselves, not the vector that they come from.

    Raises NotUnderstood for a model that keeps something else.
    """
    kind = config.get("model_type")
    layer_types = config.get("layer_types") or ()
    foreign = {str(name) for name in layer_types} - {*ATTENTION}
    other = next((name for name in OTHER_CACHES if config.get(name)), None)
    if other or foreign:
        raise NotUnderstood(
            f"the cache of a {kind!r} model is not keys and values of every layer "
            f"({other or ', '.join(sorted(foreign))}), so its size is not known"
        )
    try:
        numbers, heads = _numbers(config, gpus, expanded=expanded)
        return KVCache(numbers, heads, _windows(config))
    except (KeyError, TypeError, ZeroDivisionError):
        raise NotUnderstood(
            f"the config of this {kind!r} model does not tell its layers and heads"
        ) from None


def _numbers(config: Mapping[str, Any], gpus: int, *, expanded: bool) -> tuple[int, int]:
    rank = config.get("kv_lora_rank")
    if rank:
        if not expanded:
            # Every GPU keeps it whole.
            return rank + config["qk_rope_head_dim"], 1
        size = max(config["qk_nope_head_dim"] + config["qk_rope_head_dim"], config["v_head_dim"])
        heads = -(-config["num_attention_heads"] // gpus)
        return 2 * heads * size, 2 * heads
    # With more GPUs than heads each head is on several of them.
    heads = -(-kv_heads(config) // gpus)
    return 2 * heads * head_size(config), 2 * heads


def _windows(config: Mapping[str, Any]) -> tuple[int | None, ...]:
    layers = int(config["num_hidden_layers"])
    window = config.get("sliding_window")
    layer_types = config.get("layer_types")
    if layer_types:
        kept = window or config.get("attention_chunk_size")
        return tuple(
            kept if name != "full_attention" and kept else None for name in layer_types[:layers]
        )
    if not window or config.get("use_sliding_window") is False:
        return (None,) * layers
    kind = config.get("model_type")
    if kind in WINDOWED_BY_PATTERN:
        step = int(config.get("sliding_window_pattern") or WINDOWED_BY_PATTERN[str(kind)])
        return tuple(window if (layer + 1) % step else None for layer in range(layers))
    if config.get("use_sliding_window"):
        first = int(config.get("max_window_layers") or 0)
        return tuple(window if layer >= first else None for layer in range(layers))
    return (window if kind in ALWAYS_WINDOWED else None,) * layers
