"""Why the builders of build_scripts make no quantized checkpoint of a model.

The plan asks here before it offers a builder's command, and so do the builders.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from common.models.errors import NotUnderstood
from common.models.facts import ModelFacts
from common.models.tensors import Tensor

AUTOAWQ_FAMILIES = frozenset(
    [
        "Yi", "aquila", "baichuan", "bloom", "cohere", "deepseek_v2", "deepseek_v3", "exaone",
        "falcon", "gemma", "gemma2", "gpt_bigcode", "gpt_neox", "gptj", "internlm2", "llama",
        "minicpm", "minicpm3", "mistral", "mixtral", "mpt", "opt", "phi3", "qwen", "qwen2", "qwen3",
        "qwen3_moe", "stablelm", "starcoder2", "RefinedWeb", "RefinedWebModel",
    ]
)  # fmt: skip
"""Its language models: awq/models/auto.py, AutoAWQ 0.2.9."""
AUTOAWQ_ROWS = 64
"""Rows of a matrix come in multiples of it: awq/quantize/quantizer.py, _compute_best_clip."""
GROUP_SIZES = (32, 64, 128)


class Layer(NamedTuple):
    """A matrix of which there is one in each block, the block's number left out of its name."""

    name: str
    rows: int
    columns: int


def linear_layers(tensors: Sequence[Tensor]) -> list[Layer]:
    """Returns the matrices that are quantized: all but embeddings, head and routers."""
    layers = {
        Layer(re.sub(r"\.\d+\.", ".*.", tensor.name.removesuffix(".weight")), *tensor.shape)
        for tensor in tensors
        if tensor.kind == "linear" and len(tensor.shape) == 2
    }
    return sorted(layers)


def not_quantizable(
    facts: ModelFacts, *, group_size: int | None, autoawq: bool = False
) -> str | None:
    """Returns the reason in one sentence, None where nothing is known to be in the way.

    `group_size` is None for a scheme without groups. Of a kind of model whose tensors are not
    known, only the config is looked at.
    """
    scheme = facts.quantization.scheme
    if scheme != "none":
        return (
            f"{facts.name} is quantized already ({scheme}); give the checkpoint that it was made "
            "from, with 16-bit weights"
        )
    if facts.config.multimodal:
        return (
            f"{facts.name} takes more than text ({facts.config.architecture}); only language "
            "models are quantized here"
        )
    layers = linear_layers(_tensors(facts))
    reason = None if group_size is None else _groups(layers, group_size)
    return reason or (_autoawq(facts, layers) if autoawq else None)


def _tensors(facts: ModelFacts) -> Sequence[Tensor]:
    try:
        return facts.plain_tensors
    except NotUnderstood:
        return ()


def _groups(layers: Sequence[Layer], group_size: int) -> str | None:
    wrong = [layer for layer in layers if layer.columns % group_size]
    if not wrong:
        return None
    names = ", ".join(f"{layer.name} ({layer.columns})" for layer in wrong)
    fitting = [n for n in GROUP_SIZES if not any(layer.columns % n for layer in layers)]
    works = f"--group-size {fitting[-1]}, or " if fitting else ""
    return (
        f"groups of {group_size} do not divide the columns of {names}; what works is {works}"
        "--scheme fp8 or int8 of python -m build_scripts.quantize, which need no groups"
    )


def _autoawq(facts: ModelFacts, layers: Sequence[Layer]) -> str | None:
    family = facts.config.whole_type
    if family not in AUTOAWQ_FAMILIES:
        return (
            f"AutoAWQ has no {family} models; use --format compressed-tensors, or one of "
            f"{', '.join(sorted(AUTOAWQ_FAMILIES))}"
        )
    wrong = [layer for layer in layers if layer.rows % AUTOAWQ_ROWS]
    if not wrong:
        return None
    names = ", ".join(f"{layer.name} ({layer.rows})" for layer in wrong)
    return (
        f"AutoAWQ takes rows in multiples of {AUTOAWQ_ROWS} only, unlike {names}; use --format "
        "compressed-tensors"
    )
