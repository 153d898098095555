"""The shape of the model: its config files, a fresh instance, and reading a written one."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import LlamaConfig, LlamaForCausalLM

from build_scripts.demo_model.chat_format import BOS, PAD, TURN_END
from build_scripts.demo_model.tokenizer import CONTEXT_LENGTH, VOCABULARY_SIZE


def model_config(tokenizer: Tokenizer) -> dict[str, Any]:
    """The content of config.json, in the keys that transformers 4.51 to 5 and vLLM share."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": VOCABULARY_SIZE,
        "hidden_size": 256,
        "intermediate_size": 768,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 64,
        "hidden_act": "silu",
        "max_position_embeddings": CONTEXT_LENGTH,
        "initializer_range": 0.02,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "attention_bias": False,
        "attention_dropout": 0.0,
        "mlp_bias": False,
        "tie_word_embeddings": False,
        "use_cache": True,
        "torch_dtype": "bfloat16",
        **_token_ids(tokenizer),
    }


def new_model(tokenizer: Tokenizer) -> LlamaForCausalLM:
    """An untrained fp32 model; its weights follow torch's global seed."""
    config = LlamaConfig.from_dict({**model_config(tokenizer), "torch_dtype": "float32"})
    return LlamaForCausalLM(config)


def load_model(directory: Path) -> LlamaForCausalLM:
    """The written model in bf16 on CPU, in evaluation mode."""
    model: LlamaForCausalLM = LlamaForCausalLM.from_pretrained(str(directory), dtype=torch.bfloat16)
    return model


def write_model(model: LlamaForCausalLM, tokenizer: Tokenizer, directory: Path) -> None:
    """Writes config.json, generation_config.json and the weights rounded to bf16."""
    tensors = {
        name: tensor.detach().to(torch.bfloat16).contiguous()
        for name, tensor in model.state_dict().items()
    }
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})
    _write_json(directory / "config.json", model_config(tokenizer))
    _write_json(directory / "generation_config.json", _token_ids(tokenizer))


def _token_ids(tokenizer: Tokenizer) -> dict[str, int | None]:
    return {
        "bos_token_id": tokenizer.token_to_id(BOS),
        "eos_token_id": tokenizer.token_to_id(TURN_END),
        "pad_token_id": tokenizer.token_to_id(PAD),
    }


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
