"""Bytes of the KV cache, for each way that models keep one."""

from typing import Any

import pytest

from common.models.errors import NotUnderstood
from common.models.kv_cache import kv_cache
from tests.models.configs import DEEPSEEK_V3, LLAMA_3_8B, LLAMA_3_70B, family

KIB = 1024


def sequence(config: dict[str, Any], tokens: int, *, frees: bool = True) -> int:
    return kv_cache(config).sequence_bytes(tokens, "bfloat16", frees=frees)


def test_grouped_heads_are_counted_once_for_their_group() -> None:
    assert kv_cache(LLAMA_3_8B).token_bytes("bfloat16") == 128 * KIB
    assert kv_cache(LLAMA_3_70B).token_bytes("float16") == 320 * KIB
    every = {**LLAMA_3_8B, "num_key_value_heads": None}
    assert kv_cache(every).token_bytes("bfloat16") == 512 * KIB


def test_gpus_share_the_heads_until_each_has_one() -> None:
    assert kv_cache(LLAMA_3_8B, 4).token_bytes("bfloat16") == 32 * KIB
    assert kv_cache(LLAMA_3_8B, 8).token_bytes("bfloat16") == 16 * KIB
    assert kv_cache(LLAMA_3_8B, 16).token_bytes("bfloat16") == 16 * KIB


def test_quantized_caches_have_their_scales() -> None:
    cache = kv_cache(LLAMA_3_8B)
    assert cache.token_bytes("fp8") == 64 * KIB
    heads = 32 * 2 * 8
    assert cache.token_bytes("int8") == 64 * KIB + heads * 4
    assert cache.token_bytes("int4") == 32 * KIB + heads * 4


def test_latent_attention_keeps_one_vector_on_every_gpu() -> None:
    per_layer = (512 + 64) * 2
    assert kv_cache(DEEPSEEK_V3).token_bytes("bfloat16") == 61 * per_layer
    assert kv_cache(DEEPSEEK_V3, 8).token_bytes("bfloat16") == 61 * per_layer
    expanded = kv_cache(DEEPSEEK_V3, 8, expanded=True)
    assert expanded.token_bytes("bfloat16") == 61 * 2 * 16 * 192 * 2


WINDOW = {"sliding_window": 100, "num_hidden_layers": 12}
NUMBERS = 2 * 2 * 48 * 2
"""Bytes of a layer and token of the small models."""


@pytest.mark.parametrize(
    ("name", "config", "windowed"),
    [
        ("mistral", {}, 12),
        ("gemma2", {}, 6),
        ("gemma3_text", {}, 10),
        ("qwen2", {"use_sliding_window": True, "max_window_layers": 8, "head_dim": 48}, 4),
        ("qwen2", {"use_sliding_window": False, "head_dim": 48}, 0),
        ("llama", {"layer_types": ["sliding_attention", "full_attention"] * 6}, 6),
        ("llama", {"sliding_window": None}, 0),
    ],
)
def test_windows_end_what_a_layer_keeps(name: str, config: dict[str, Any], windowed: int) -> None:
    values = family(name) | WINDOW | config
    assert sequence(values, 100) == 12 * 100 * NUMBERS
    assert sequence(values, 1000) == ((12 - windowed) * 1000 + windowed * 100) * NUMBERS
    assert sequence(values, 1000, frees=False) == 12 * 1000 * NUMBERS


@pytest.mark.parametrize(
    "config",
    [
        {"layer_types": ["linear_attention", "full_attention"]},
        {"mamba_d_state": 16},
        {"full_attention_interval": 4},
        {"hybrid_override_pattern": "M-M*"},
    ],
)
def test_hybrids_are_refused_by_name(config: dict[str, Any]) -> None:
    with pytest.raises(NotUnderstood, match="the cache of a 'llama' model is not keys and values"):
        kv_cache(family("llama") | config)


def test_a_config_without_heads_is_refused() -> None:
    with pytest.raises(NotUnderstood, match="does not tell its layers and heads"):
        kv_cache({"model_type": "odd", "num_hidden_layers": 2})
