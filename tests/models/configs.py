"""Configs of published models, from their public dimensions, and small ones of each family."""

from typing import Any

from common.models.config import ModelConfig
from common.models.facts import ModelFacts

LLAMA_3_70B: dict[str, Any] = {
    "model_type": "llama",
    "vocab_size": 128256,
    "hidden_size": 8192,
    "intermediate_size": 28672,
    "num_hidden_layers": 80,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "max_position_embeddings": 8192,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}
LLAMA_3_8B: dict[str, Any] = LLAMA_3_70B | {
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
}
DEEPSEEK_V3: dict[str, Any] = {
    "model_type": "deepseek_v3",
    "num_hidden_layers": 61,
    "num_attention_heads": 128,
    "num_key_value_heads": 128,
    "kv_lora_rank": 512,
    "qk_rope_head_dim": 64,
    "qk_nope_head_dim": 128,
    "v_head_dim": 128,
}
AWQ: dict[str, Any] = {
    "quant_method": "awq",
    "bits": 4,
    "group_size": 128,
    "version": "gemm",
    "zero_point": True,
}
GPTQ: dict[str, Any] = {"quant_method": "gptq", "bits": 4, "group_size": 128, "sym": True}
SMALL: dict[str, Any] = {
    "vocab_size": 320,
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 48,
    "max_position_embeddings": 512,
    "tie_word_embeddings": False,
    "pad_token_id": 0,
}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 64}
LATENT = {
    "q_lora_rank": 48,
    "kv_lora_rank": 32,
    "qk_rope_head_dim": 16,
    "qk_nope_head_dim": 24,
    "v_head_dim": 40,
    "num_key_value_heads": 4,
    "n_routed_experts": 4,
    "n_shared_experts": 2,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 64,
    "first_k_dense_replace": 1,
    "n_group": 2,
    "topk_group": 1,
    "head_dim": 16,
}
GLM = {
    "n_routed_experts": 4,
    "n_shared_experts": 1,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 64,
    "first_k_dense_replace": 1,
    "attention_bias": True,
}
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {},
    "llama with biases": {"model_type": "llama", "attention_bias": True, "mlp_bias": True},
    "llama, tied": {"model_type": "llama", "tie_word_embeddings": True},
    "llama without groups": {"model_type": "llama", "num_key_value_heads": 4},
    "mistral": {},
    "mixtral": {"num_local_experts": 4, "num_experts_per_tok": 2},
    "qwen2": {"head_dim": None},
    "qwen2_moe": {
        **EXPERTS,
        "head_dim": None,
        "shared_expert_intermediate_size": 96,
        "mlp_only_layers": [2],
        "decoder_sparse_step": 1,
    },
    "qwen3": {},
    "qwen3 with biases": {"model_type": "qwen3", "attention_bias": True},
    "qwen3_moe": {**EXPERTS, "decoder_sparse_step": 2, "mlp_only_layers": []},
    "gemma": {"tie_word_embeddings": True},
    "gemma2": {"tie_word_embeddings": True, "query_pre_attn_scalar": 48},
    "gemma3_text": {"tie_word_embeddings": True, "query_pre_attn_scalar": 48},
    "granite": {"head_dim": None},
    "smollm3": {"head_dim": None, "tie_word_embeddings": True},
    "cohere": {"head_dim": None, "tie_word_embeddings": True},
    "cohere2": {"tie_word_embeddings": True},
    "phi3": {"head_dim": None},
    "deepseek_v2": LATENT,
    "deepseek_v2 without query ranks": {**LATENT, "model_type": "deepseek_v2", "q_lora_rank": None},
    "deepseek_v3": LATENT,
    "glm4_moe": GLM,
    "glm4_moe with norms": {**GLM, "model_type": "glm4_moe", "use_qk_norm": True},
}


def family(name: str) -> dict[str, Any]:
    """What a checkpoint's config.json says; None stands for left out."""
    values = {"model_type": name, **SMALL, **FAMILIES[name]}
    return {key: value for key, value in values.items() if value is not None or "rank" in key}


def compressed(layout: str, activations: bool = False, **weights: Any) -> dict[str, Any]:
    """Returns a quantization_config of compressed-tensors."""
    group = {
        "targets": ["Linear"],
        "weights": weights,
        "input_activations": {"num_bits": 8} if activations else None,
    }
    return {
        "quant_method": "compressed-tensors",
        "format": layout,
        "config_groups": {"group_0": group},
    }


def facts(config: dict[str, Any], name: str = "org/model", **quantization: Any) -> ModelFacts:
    """Of a model of which only the config is known."""
    if quantization:
        config = config | {"quantization_config": quantization}
    return ModelFacts(name, ModelConfig(config))
