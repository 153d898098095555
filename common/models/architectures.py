"""The tensors of a checkpoint from its config alone, by the names that they have on disk."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from common.models.config import head_size, kv_heads, tied
from common.models.errors import NotUnderstood
from common.models.tensors import Tensor

Config = Mapping[str, Any]
Shapes = Iterator[tuple[str, tuple[int, ...]]]
Part = Callable[[Config, int], Shapes]
"""Yields the tensors of one layer, by names without the layer's prefix."""
EMBEDDING = "model.embed_tokens.weight"
NORMS = ("input_layernorm", "post_attention_layernorm")
CORRECTED = ("deepseek_v3", "kimi_k2", "glm4_moe")
"""Model types whose routers have a correction for each expert."""
FOUR_NORMS = (*NORMS, "pre_feedforward_layernorm", "post_feedforward_layernorm")


def tensors_of(config: Config, dtype: str) -> tuple[Tensor, ...]:
    """Returns every tensor, in `dtype`. Raises NotUnderstood for another architecture."""
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


def _model(config: Config, attention: Part, mlp: Part, norms: tuple[str, ...]) -> Shapes:
    hidden, vocabulary = config["hidden_size"], config["vocab_size"]
    yield EMBEDDING, (vocabulary, hidden)
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


def _gated(prefix: str, hidden: int, inner: int) -> Shapes:
    yield f"{prefix}.gate_proj.weight", (inner, hidden)
    yield f"{prefix}.up_proj.weight", (inner, hidden)
    yield f"{prefix}.down_proj.weight", (hidden, inner)


def _experts(config: Config, count: int) -> Shapes:
    hidden, inner = config["hidden_size"], config["moe_intermediate_size"]
    yield "mlp.gate.weight", (count, hidden)
    for expert in range(count):
        yield from _gated(f"mlp.experts.{expert}", hidden, inner)


def _mixtral_mlp(config: Config, layer: int) -> Shapes:
    hidden, inner, count = (
        config[name] for name in ("hidden_size", "intermediate_size", "num_local_experts")
    )
    yield "block_sparse_moe.gate.weight", (count, hidden)
    for expert in range(count):
        prefix = f"block_sparse_moe.experts.{expert}"
        yield f"{prefix}.w1.weight", (inner, hidden)
        yield f"{prefix}.w2.weight", (hidden, inner)
        yield f"{prefix}.w3.weight", (inner, hidden)


def _qwen3_moe_mlp(config: Config, layer: int) -> Shapes:
    if _is_sparse(config, layer):
        yield from _experts(config, config["num_experts"])
    else:
        yield from _gated("mlp", config["hidden_size"], config["intermediate_size"])


def _qwen2_moe_mlp(config: Config, layer: int) -> Shapes:
    yield from _qwen3_moe_mlp(config, layer)
    if _is_sparse(config, layer):
        hidden = config["hidden_size"]
        yield from _gated("mlp.shared_expert", hidden, config["shared_expert_intermediate_size"])
        yield "mlp.shared_expert_gate.weight", (1, hidden)


def _is_sparse(config: Config, layer: int) -> bool:
    step = config.get("decoder_sparse_step") or 1
    dense = config.get("mlp_only_layers") or ()
    return layer not in dense and config["num_experts"] > 0 and (layer + 1) % step == 0


def _deepseek_mlp(config: Config, layer: int) -> Shapes:
    sparse = (
        layer >= (config.get("first_k_dense_replace") or 0)
        and layer % (config.get("moe_layer_freq") or 1) == 0
    )
    hidden = config["hidden_size"]
    if not sparse:
        yield from _gated("mlp", hidden, config["intermediate_size"])
        return
    yield from _experts(config, config["n_routed_experts"])
    if config["model_type"] in CORRECTED:
        yield "mlp.gate.e_score_correction_bias", (config["n_routed_experts"],)
    shared = config.get("n_shared_experts") or 0
    if shared:
        inner = shared * config["moe_intermediate_size"]
        yield from _gated("mlp.shared_experts", hidden, inner)


def _linear(name: str, outs: int, ins: int, bias: bool) -> Shapes:
    yield f"{name}.weight", (outs, ins)
    if bias:
        yield f"{name}.bias", (outs,)


def _bias(config: Config) -> bool:
    return bool(config.get("attention_bias"))


def _glm_attention(config: Config, layer: int) -> Shapes:
    inner = _attention(biases=lambda c: (_bias(c), False), norms=bool(config.get("use_qk_norm")))
    return inner(config, layer)


_WITHOUT = _attention(biases=lambda config: (False, False))
_BY_CONFIG = _attention(biases=lambda config: (_bias(config), _bias(config)))
_NORMED = _attention(biases=lambda config: (_bias(config), _bias(config)), norms=True)
_QKV = _attention(biases=lambda config: (True, False))
_QKV_BY_CONFIG = _attention(biases=lambda config: (bool(config.get("qkv_bias", True)), False))
FAMILIES: Mapping[str, tuple[Part, Part, tuple[str, ...]]] = {
    "llama": (_BY_CONFIG, _mlp, NORMS),
    "mistral": (_WITHOUT, _mlp, NORMS),
    "mixtral": (_WITHOUT, _mixtral_mlp, NORMS),
    "qwen2": (_QKV, _mlp, NORMS),
    "qwen2_moe": (_QKV_BY_CONFIG, _qwen2_moe_mlp, NORMS),
    "qwen3": (_NORMED, _mlp, NORMS),
    "qwen3_moe": (_NORMED, _qwen3_moe_mlp, NORMS),
    "gemma": (_BY_CONFIG, _mlp, NORMS),
    "gemma2": (_BY_CONFIG, _mlp, FOUR_NORMS),
    "gemma3_text": (_NORMED, _mlp, FOUR_NORMS),
    "granite": (_BY_CONFIG, _mlp, NORMS),
    "smollm3": (_BY_CONFIG, _mlp, NORMS),
    "cohere": (_BY_CONFIG, _mlp, NORMS[:1]),
    "cohere2": (_BY_CONFIG, _mlp, NORMS[:1]),
    "phi3": (_fused_attention, _fused_mlp, NORMS),
    "deepseek_v2": (_latent_attention, _deepseek_mlp, NORMS),
    "deepseek_v3": (_latent_attention, _deepseek_mlp, NORMS),
    "kimi_k2": (_latent_attention, _deepseek_mlp, NORMS),
    "glm4_moe": (_glm_attention, _deepseek_mlp, NORMS),
}
"""By model_type: attention, feed-forward part, norms of a layer."""
