"""The tensors of a checkpoint from its config alone, by the names that they have on disk."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from common.plan.errors import NotUnderstood
from common.plan.experts import deepseek_mlp, mixtral_mlp, qwen2_moe_mlp, qwen3_moe_mlp
from common.plan.tensors import Tensor

Config = Mapping[str, Any]
Shapes = Iterator[tuple[str, tuple[int, ...]]]
Part = Callable[[Config, int], Shapes]
"""Of one layer: names without the layer's prefix."""
TIED_BY_DEFAULT = ("gemma", "gemma2", "gemma3_text")
NORMS = ("input_layernorm", "post_attention_layernorm")
FOUR_NORMS = (*NORMS, "pre_feedforward_layernorm", "post_feedforward_layernorm")


def tensors_of(config: Config, dtype: str) -> tuple[Tensor, ...]:
    """Every tensor, in `dtype`. Raises NotUnderstood for another architecture."""
    kind = str(config.get("model_type"))
    if kind not in FAMILIES:
        raise NotUnderstood(
            f"the weights of a {kind!r} model cannot be counted from its config; needed are its "
            f"safetensors files, or one of {', '.join(FAMILIES)}"
        )
    try:
        return tuple(Tensor(name, shape, dtype) for name, shape in _model(config, *FAMILIES[kind]))
    except (KeyError, TypeError) as error:
        raise NotUnderstood(f"the config of this {kind!r} model lacks {error}") from None


def tied(config: Config) -> bool:
    """Whether the embedding is the output matrix too."""
    default = config.get("model_type") in TIED_BY_DEFAULT
    found = config.get("tie_word_embeddings")
    return default if found is None else bool(found)


def head_size(config: Config) -> int:
    return int(config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"])


def kv_heads(config: Config) -> int:
    return int(config.get("num_key_value_heads") or config["num_attention_heads"])


def _model(config: Config, attention: Part, mlp: Part, norms: tuple[str, ...]) -> Shapes:
    hidden, vocabulary = config["hidden_size"], config["vocab_size"]
    yield "model.embed_tokens.weight", (vocabulary, hidden)
    for layer in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{layer}."
        for part in (attention, mlp):
            for name, shape in part(config, layer):
                yield prefix + name, shape
        for norm in norms:
            yield f"{prefix}{norm}.weight", (hidden,)
    yield "model.norm.weight", (hidden,)
    if not tied(config):
        yield "lm_head.weight", (vocabulary, hidden)


def _attention(*, biases: Callable[[Config], tuple[bool, bool]], norms: bool = False) -> Part:
    """`biases` are those of queries, keys and values, and of the output."""

    def part(config: Config, layer: int) -> Shapes:
        size, hidden = head_size(config), config["hidden_size"]
        queries, keys = config["num_attention_heads"] * size, kv_heads(config) * size
        inner, outer = biases(config)
        for name, outs in (("q_proj", queries), ("k_proj", keys), ("v_proj", keys)):
            yield from _linear(f"self_attn.{name}", outs, hidden, inner)
        yield from _linear("self_attn.o_proj", hidden, queries, outer)
        if norms:
            yield "self_attn.q_norm.weight", (size,)
            yield "self_attn.k_norm.weight", (size,)

    return part


def _fused_attention(config: Config, layer: int) -> Shapes:
    size, hidden = head_size(config), config["hidden_size"]
    queries = config["num_attention_heads"] * size
    yield "self_attn.qkv_proj.weight", (queries + 2 * kv_heads(config) * size, hidden)
    yield "self_attn.o_proj.weight", (hidden, queries)


def _latent_attention(config: Config, layer: int) -> Shapes:
    """MLA: keys and values come from one small vector."""
    hidden, heads, bias = config["hidden_size"], config["num_attention_heads"], _bias(config)
    size = config["qk_nope_head_dim"] + config["qk_rope_head_dim"]
    rank, query_rank = config["kv_lora_rank"], config.get("q_lora_rank")
    if query_rank is None:
        yield "self_attn.q_proj.weight", (heads * size, hidden)
    else:
        yield from _linear("self_attn.q_a_proj", query_rank, hidden, bias)
        yield "self_attn.q_a_layernorm.weight", (query_rank,)
        yield "self_attn.q_b_proj.weight", (heads * size, query_rank)
    compressed = rank + config["qk_rope_head_dim"]
    yield from _linear("self_attn.kv_a_proj_with_mqa", compressed, hidden, bias)
    yield "self_attn.kv_a_layernorm.weight", (rank,)
    expanded = heads * (config["qk_nope_head_dim"] + config["v_head_dim"])
    yield "self_attn.kv_b_proj.weight", (expanded, rank)
    yield from _linear("self_attn.o_proj", hidden, heads * config["v_head_dim"], bias)


def _mlp(config: Config, layer: int) -> Shapes:
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    bias = bool(config.get("mlp_bias"))
    yield from _linear("mlp.gate_proj", inner, hidden, bias)
    yield from _linear("mlp.up_proj", inner, hidden, bias)
    yield from _linear("mlp.down_proj", hidden, inner, bias)


def _fused_mlp(config: Config, layer: int) -> Shapes:
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    yield "mlp.gate_up_proj.weight", (2 * inner, hidden)
    yield "mlp.down_proj.weight", (hidden, inner)


def _linear(name: str, outs: int, ins: int, bias: bool) -> Shapes:
    yield f"{name}.weight", (outs, ins)
    if bias:
        yield f"{name}.bias", (outs,)


def _bias(config: Config) -> bool:
    return bool(config.get("attention_bias"))


_WITHOUT = _attention(biases=lambda config: (False, False))
_BY_CONFIG = _attention(biases=lambda config: (_bias(config), _bias(config)))
_NORMED = _attention(biases=lambda config: (_bias(config), _bias(config)), norms=True)
_QKV = _attention(biases=lambda config: (True, False))
_QKV_BY_CONFIG = _attention(biases=lambda config: (bool(config.get("qkv_bias", True)), False))
FAMILIES: Mapping[str, tuple[Part, Part, tuple[str, ...]]] = {
    "llama": (_BY_CONFIG, _mlp, NORMS),
    "mistral": (_WITHOUT, _mlp, NORMS),
    "mixtral": (_WITHOUT, mixtral_mlp, NORMS),
    "qwen2": (_QKV, _mlp, NORMS),
    "qwen2_moe": (_QKV_BY_CONFIG, qwen2_moe_mlp, NORMS),
    "qwen3": (_NORMED, _mlp, NORMS),
    "qwen3_moe": (_NORMED, qwen3_moe_mlp, NORMS),
    "gemma": (_BY_CONFIG, _mlp, NORMS),
    "gemma2": (_BY_CONFIG, _mlp, FOUR_NORMS),
    "gemma3_text": (_NORMED, _mlp, FOUR_NORMS),
    "phi3": (_fused_attention, _fused_mlp, NORMS),
    "deepseek_v2": (_latent_attention, deepseek_mlp, NORMS),
    "deepseek_v3": (_latent_attention, deepseek_mlp, NORMS),
}
"""By model_type: attention, feed-forward part, norms of a layer."""
