"""Feed-forward parts with experts: each expert has tensors of its own on disk."""

from collections.abc import Iterator, Mapping
from typing import Any

Config = Mapping[str, Any]
Shapes = Iterator[tuple[str, tuple[int, ...]]]


def _gated(prefix: str, hidden: int, inner: int) -> Shapes:
    yield f"{prefix}.gate_proj.weight", (inner, hidden)
    yield f"{prefix}.up_proj.weight", (inner, hidden)
    yield f"{prefix}.down_proj.weight", (hidden, inner)


def _experts(config: Config, count: int) -> Shapes:
    hidden, inner = config["hidden_size"], config["moe_intermediate_size"]
    yield "mlp.gate.weight", (count, hidden)
    for expert in range(count):
        yield from _gated(f"mlp.experts.{expert}", hidden, inner)


def mixtral_mlp(config: Config, layer: int) -> Shapes:
    hidden, inner, count = (
        config[name] for name in ("hidden_size", "intermediate_size", "num_local_experts")
    )
    yield "block_sparse_moe.gate.weight", (count, hidden)
    for expert in range(count):
        prefix = f"block_sparse_moe.experts.{expert}"
        yield f"{prefix}.w1.weight", (inner, hidden)
        yield f"{prefix}.w2.weight", (hidden, inner)
        yield f"{prefix}.w3.weight", (inner, hidden)


def qwen3_moe_mlp(config: Config, layer: int) -> Shapes:
    if _is_sparse(config, layer):
        yield from _experts(config, config["num_experts"])
    else:
        yield from _gated("mlp", config["hidden_size"], config["intermediate_size"])


def qwen2_moe_mlp(config: Config, layer: int) -> Shapes:
    yield from qwen3_moe_mlp(config, layer)
    if _is_sparse(config, layer):
        hidden = config["hidden_size"]
        yield from _gated("mlp.shared_expert", hidden, config["shared_expert_intermediate_size"])
        yield "mlp.shared_expert_gate.weight", (1, hidden)


def _is_sparse(config: Config, layer: int) -> bool:
    step = config.get("decoder_sparse_step") or 1
    dense = config.get("mlp_only_layers") or ()
    return layer not in dense and config["num_experts"] > 0 and (layer + 1) % step == 0


def deepseek_mlp(config: Config, layer: int) -> Shapes:
    sparse = (
        layer >= (config.get("first_k_dense_replace") or 0)
        and layer % (config.get("moe_layer_freq") or 1) == 0
    )
    hidden = config["hidden_size"]
    if not sparse:
        yield from _gated("mlp", hidden, config["intermediate_size"])
        return
    yield from _experts(config, config["n_routed_experts"])
    if config["model_type"] == "deepseek_v3":
        yield "mlp.gate.e_score_correction_bias", (config["n_routed_experts"],)
    shared = config.get("n_shared_experts") or 0
    if shared:
        inner = shared * config["moe_intermediate_size"]
        yield from _gated("mlp.shared_experts", hidden, inner)
