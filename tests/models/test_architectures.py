"""Tensors that are told from a config are those of the model that Transformers makes of it."""

import re
import warnings
from typing import Any

import pytest

from common.models.architectures import tensors_of
from common.models.config import tied
from common.models.errors import NotUnderstood
from tests.models.configs import FAMILIES, LLAMA_3_8B, SMALL, family

EXPERT = re.compile(r"\.experts\..*")


def reference(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors on Transformers' meta device."""
    with warnings.catch_warnings(action="ignore"):
        import torch
        from transformers import AutoConfig, AutoModelForCausalLM

        values = {name: value for name, value in config.items() if name != "model_type"}
        made = AutoConfig.for_model(config["model_type"], **values)
        with torch.device("meta"):
            state = AutoModelForCausalLM.from_config(made).state_dict()
    return {
        name: tuple(tensor.shape)
        for name, tensor in state.items()
        if not (name == "lm_head.weight" and tied(config))
    }


def elements(shape: tuple[int, ...]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total


def summed(tensors: dict[str, tuple[int, ...]]) -> dict[str, int]:
    """Numbers by name; the experts of a layer, which Transformers keeps in one tensor, together."""
    found: dict[str, int] = {}
    for name, shape in tensors.items():
        key = EXPERT.sub(".experts", name.replace("block_sparse_moe", "mlp"))
        found[key] = found.get(key, 0) + elements(shape)
    return found


@pytest.mark.parametrize("name", FAMILIES)
def test_every_parameter_is_counted(name: str) -> None:
    config = family(name)
    expected = reference(config)
    found = {tensor.name: tensor.shape for tensor in tensors_of(config, "bfloat16")}
    assert summed(found) == summed(expected)
    for tensor, shape in expected.items():
        if tensor in found:
            assert found[tensor] == shape


def test_the_names_are_those_of_a_checkpoint() -> None:
    names = {tensor.name for tensor in tensors_of(family("mixtral"), "bfloat16")}
    assert "model.layers.0.block_sparse_moe.experts.3.w2.weight" in names
    names = {tensor.name for tensor in tensors_of(family("qwen3_moe"), "bfloat16")}
    assert "model.layers.1.mlp.experts.0.down_proj.weight" in names
    assert "model.layers.0.mlp.down_proj.weight" in names


def test_another_architecture_is_refused_by_name() -> None:
    with pytest.raises(
        NotUnderstood, match=r"a 'mamba' model .* safetensors files, or one of llama"
    ):
        tensors_of({**SMALL, "model_type": "mamba"}, "bfloat16")


def test_a_config_without_a_dimension_is_refused_with_its_name() -> None:
    config = {name: value for name, value in LLAMA_3_8B.items() if name != "hidden_size"}
    with pytest.raises(NotUnderstood, match="lacks 'hidden_size'"):
        tensors_of(config, "bfloat16")
