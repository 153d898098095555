"""Refuses models that cannot be quantized, before anything takes long."""

from build_scripts.builder import BuildError, Source
from build_scripts.quantize.layers import linear_layers
from build_scripts.quantize.schemes import GROUP_SIZES

AUTOAWQ_FAMILIES = frozenset(
    [
        "Yi",
        "aquila",
        "baichuan",
        "bloom",
        "cohere",
        "deepseek_v2",
        "deepseek_v3",
        "exaone",
        "falcon",
        "gemma",
        "gemma2",
        "gpt_bigcode",
        "gpt_neox",
        "gptj",
        "internlm2",
        "llama",
        "minicpm",
        "minicpm3",
        "mistral",
        "mixtral",
        "mpt",
        "opt",
        "phi3",
        "qwen",
        "qwen2",
        "qwen3",
        "qwen3_moe",
        "stablelm",
        "starcoder2",
        "RefinedWeb",
        "RefinedWebModel",
    ]
)
"""Its language models: awq/models/auto.py, AutoAWQ 0.2.9."""
AUTOAWQ_ROWS = 64
"""Rows of a matrix come in multiples of it: awq/quantize/quantizer.py, _compute_best_clip."""


def check_source(source: Source) -> None:
    """Raises BuildError for a model that is quantized already, or of a kind that is not."""
    scheme = source.config.quantization.scheme
    if scheme != "none":
        raise BuildError(
            f"{source.model} is quantized already ({scheme}); give the checkpoint that it was made "
            "from, with 16-bit weights"
        )
    if source.config.multimodal:
        raise BuildError(
            f"{source.model} takes more than text ({source.config.architecture}); only language "
            "models are quantized here"
        )
    if not (source.path / "tokenizer.json").is_file():
        raise BuildError(
            f"{source.path} has no tokenizer.json; a directory as written by save_pretrained() of "
            "a model and a fast tokenizer is needed"
        )


def check_groups(source: Source, group_size: int) -> None:
    """Raises BuildError for matrices that do not divide into groups of columns."""
    layers = linear_layers(source)
    wrong = [layer for layer in layers if layer.columns % group_size]
    if not wrong:
        return
    names = ", ".join(f"{layer.name} ({layer.columns})" for layer in wrong)
    fitting = [n for n in GROUP_SIZES if not any(layer.columns % n for layer in layers)]
    works = f"--group-size {fitting[-1]}, or " if fitting else ""
    raise BuildError(
        f"groups of {group_size} do not divide the columns of {names}; what works is {works}"
        "--scheme fp8 or int8 of python -m build_scripts.quantize, which need no groups"
    )


def check_autoawq(source: Source) -> None:
    """Raises BuildError for a family or a shape that AutoAWQ does not have."""
    family = source.config.whole_type
    if family not in AUTOAWQ_FAMILIES:
        raise BuildError(
            f"AutoAWQ has no {family} models; use --format compressed-tensors, or one of "
            f"{', '.join(sorted(AUTOAWQ_FAMILIES))}"
        )
    wrong = [layer for layer in linear_layers(source) if layer.rows % AUTOAWQ_ROWS]
    if wrong:
        names = ", ".join(f"{layer.name} ({layer.rows})" for layer in wrong)
        raise BuildError(
            f"AutoAWQ takes rows in multiples of {AUTOAWQ_ROWS} only, unlike {names}; use --format "
            "compressed-tensors"
        )
