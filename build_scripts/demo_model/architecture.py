"""The model as an instance: a fresh one by the config of the demo model, and a written one."""

from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

from common.files import read_json
from common.models.model import DEMO_MODEL


def new_model() -> LlamaForCausalLM:
    """Returns an untrained fp32 model; its weights follow torch's global seed."""
    config = {**read_json(DEMO_MODEL / "config.json"), "torch_dtype": "float32"}
    return LlamaForCausalLM(LlamaConfig.from_dict(config))


def load_model(directory: Path) -> LlamaForCausalLM:
    """Returns the written model in bf16 on CPU, in evaluation mode."""
    model: LlamaForCausalLM = LlamaForCausalLM.from_pretrained(str(directory), dtype=torch.bfloat16)
    return model


def write_weights(model: LlamaForCausalLM, directory: Path) -> None:
    """Writes the weights, rounded to bf16."""
    tensors = {
        name: tensor.detach().to(torch.bfloat16).contiguous()
        for name, tensor in model.state_dict().items()
    }
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})
