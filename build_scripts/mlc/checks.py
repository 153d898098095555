"""Refuses models that MLC-LLM cannot compile, before anything is loaded."""

import argparse

from build_scripts.builder import BuildError, Source
from build_scripts.compiled.checks import (
    SPLIT,
    capability,
    check_gpus,
    check_length,
    listed,
    matrix_inputs,
)
from build_scripts.mlc.tables import (
    AWQ,
    BLOCKS,
    FT,
    GROUP,
    KINDS,
    SCHEMES,
    TEMPLATES,
    CompiledScheme,
    schemes_of,
    template,
)

SHARDS = "--tensor-parallel-shards"


def check(options: argparse.Namespace, source: Source) -> None:
    """Raises BuildError."""
    scheme = SCHEMES[options.quantization]
    if scheme.refusal is not None:
        raise BuildError(f"--quantization {options.quantization}: {scheme.refusal}")
    _check_family(options, source, scheme)
    _check_checkpoint(options, source, scheme)
    template_of(options, source)
    check_length(source, options.context_window_size, "--context-window-size")
    _check_shards(options, source, scheme)
    _check_device(options, scheme)


def _check_family(options: argparse.Namespace, source: Source, scheme: CompiledScheme) -> None:
    family = source.config.whole_type
    if family not in KINDS:
        raise BuildError(f"MLC-LLM has no {family} models; it has {listed(sorted(KINDS))}")
    if scheme.kind not in KINDS[family]:
        raise BuildError(
            f"--quantization {options.quantization}: MLC-LLM has it for "
            f"{listed([f for f, kinds in sorted(KINDS.items()) if scheme.kind in kinds])}, and "
            f"this is {family}; allowed are {listed(schemes_of(family))}"
        )


def _check_checkpoint(options: argparse.Namespace, source: Source, scheme: CompiledScheme) -> None:
    """Two kinds need a checkpoint that is quantized already, the others need plain weights."""
    own = source.config.quantization
    has = "not quantized" if own.scheme == "none" else own.scheme
    asked = f"--quantization {options.quantization}"
    if scheme.kind == AWQ:
        if own.format != "autoawq-gemm" or own.bits != 4:
            raise BuildError(
                f"{asked} needs a 4-bit AWQ checkpoint in AutoAWQ's GEMM format, and this is "
                f"{has}; python -m build_scripts.awq --format autoawq makes "
                "one, and q4f16_1 takes plain weights"
            )
        if own.group_size != scheme.group:
            raise BuildError(
                f"{asked} needs groups of {scheme.group}, and this checkpoint has {own.group_size}"
            )
    elif scheme.kind == BLOCKS:
        if own.format != "fp8-block":
            raise BuildError(
                f"{asked} needs an FP8 checkpoint with scales of blocks, and this is "
                f"{has}; q4f16_1 takes plain weights"
            )
        if own.activations != scheme.activations:
            raise BuildError(
                f"{asked} needs {scheme.activations} activations, and this checkpoint has "
                f"{own.activations}"
            )
    elif own.scheme != "none":
        raise BuildError(
            f"{asked} needs plain weights, and these are {has}; name the model that they were "
            "made from"
        )


def template_of(options: argparse.Namespace, source: Source) -> str:
    """Returns the conversation template that is named, or the family's. Raises BuildError."""
    named: str | None = options.conv_template
    if named is not None and named not in TEMPLATES:
        raise BuildError(f"--conv-template {named}: allowed are {listed(TEMPLATES)}")
    name = named or template(source)
    if name is None:
        raise BuildError(
            f"no conversation template is known for this {source.config.whole_type} model; name "
            f"one with --conv-template (services use none): {listed(TEMPLATES)}"
        )
    return name


def _check_shards(options: argparse.Namespace, source: Source, scheme: CompiledScheme) -> None:
    """python/mlc_llm/quantization/group_quantization.py: from_linear."""
    shards = options.tensor_parallel_shards
    check_gpus(source, shards, SHARDS)
    if scheme.kind == FT and shards > 1:
        raise BuildError(
            f"{SHARDS} {shards}: {options.quantization} is for one GPU; allowed is 1, or q4f16_1"
        )
    for name, size in matrix_inputs(source).items():
        if name not in SPLIT:
            continue
        if size % shards:
            raise BuildError(f"{SHARDS} {shards} does not divide {name} = {size}")
        if scheme.kind == GROUP and size // scheme.group % shards:
            raise BuildError(
                f"{SHARDS} {shards} does not divide the {size // scheme.group} groups of "
                f"{scheme.group} in {name} = {size}; allowed are fewer GPUs, or a scheme with "
                "smaller groups"
            )


def _check_device(options: argparse.Namespace, scheme: CompiledScheme) -> None:
    if scheme.device not in (None, options.device):
        raise BuildError(
            f"--quantization {options.quantization} runs on {scheme.device} only, not on "
            f"{options.device}"
        )
    gpu = capability() if options.device == "cuda" else None
    if gpu is not None and gpu[0] < scheme.minimum:
        raise BuildError(
            f"--quantization {options.quantization} needs compute capability {scheme.minimum}, and "
            f"{gpu[1]} has {gpu[0]}; q4f16_1 would work"
        )
