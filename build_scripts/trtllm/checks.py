"""Refuses models that TensorRT-LLM cannot compile, before anything is loaded."""

import argparse

from build_scripts.builder import BuildError, Source
from build_scripts.compiled.checks import (
    SPLIT,
    capability,
    check_code,
    check_gpus,
    check_groups,
    check_length,
    listed,
    matrix_inputs,
)
from build_scripts.trtllm.tables import AUTO, FAMILIES, NONE, SCHEMES, EngineScheme

GPUS = "--tensor-parallel-size"
LOADED = ("autoawq-gemm", "gptq")
"""Forms of quantized checkpoints that the converters read."""
NO_INT8_CACHE = (10, 11)
"""Generations of GPUs, by tensorrt_llm/builder.py."""


def check_options(options: argparse.Namespace) -> None:
    """Checks what needs no model. Raises BuildError."""
    if options.opt_num_tokens is not None and options.multiple_profiles == "enable":
        raise BuildError(
            "--opt-num-tokens is for one profile; leave it out, or add --multiple-profiles disable"
        )
    longest, prompt = options.max_seq_len, options.max_input_len
    if longest is not None and prompt is not None and prompt > longest:
        raise BuildError(
            f"--max-input-len {prompt} is more than --max-seq-len {longest}; allowed is at most "
            "that"
        )
    if options.use_paged_context_fmha == "enable" and options.kv_cache_dtype == "int8":
        raise BuildError(
            "--use-paged-context-fmha enable does not go with --kv-cache-dtype int8: leave it out, "
            "and chunked prefill and reuse of the KV cache are off; or use fp8"
        )


def scheme_of(options: argparse.Namespace, source: Source) -> str:
    """Returns what is asked for; a quantized checkpoint is compiled as it is. Raises BuildError."""
    asked: str = options.quantization
    has = source.config.quantization.scheme
    known = [s.checkpoint for s in SCHEMES.values() if s.checkpoint]
    if asked == AUTO:
        return has if has in (*known, NONE) else _refuse_checkpoint(has, known)
    needed = SCHEMES[asked].checkpoint
    if needed is not None and needed != has:
        raise BuildError(
            f"--quantization {asked} needs a checkpoint of that kind, and this is "
            f"{'not quantized' if has == NONE else has}; int4_awq takes plain weights"
        )
    if needed is None and has != NONE:
        way = f", or leave out --quantization to compile it as {has}" if has in known else ""
        raise BuildError(
            f"--quantization {asked} needs plain weights, and these are {has}; name the model that "
            f"they were made from{way}"
        )
    return asked


def _refuse_checkpoint(has: str, known: list[str]) -> str:
    raise BuildError(
        f"checkpoints that are {has} are not converted; allowed are plain weights, "
        f"{listed(known)}; python -m build_scripts.awq --format autoawq "
        "makes one of awq"
    )


def check_source(options: argparse.Namespace, source: Source, name: str) -> None:
    """Raises BuildError for what is wrong with the scheme `name` of this model."""
    family, scheme = FAMILIES.get(source.config.whole_type), SCHEMES[name]
    if family is None:
        raise BuildError(
            f"{source.config.whole_type} models are not compiled here; allowed are "
            f"{listed(list(FAMILIES))}"
        )
    among = family.checkpoints if scheme.checkpoint else family.schemes
    if name not in among:
        raise BuildError(
            f"--quantization {name}: TensorRT-LLM has it not for {source.config.whole_type}; "
            f"allowed are {listed([*family.schemes, *family.checkpoints])}"
        )
    if scheme.checkpoint:
        _check_checkpoint(options, source, name)
    check_code(source, options.trust_remote_code, "TensorRT-LLM")
    _check_sizes(options, source, scheme)
    check_length(source, options.max_seq_len, "--max-seq-len")


def _check_checkpoint(options: argparse.Namespace, source: Source, name: str) -> None:
    own, groups = source.config.quantization, SCHEMES[name].groups
    if options.kv_cache_dtype is not None:
        raise BuildError(
            f"--kv-cache-dtype {options.kv_cache_dtype} is measured on plain weights, and these "
            f"are {name}; leave it out, or use int4_awq with the model that they were made from"
        )
    if own.bits != 4 or own.format not in LOADED:
        form = own.format.removeprefix("autoawq-")
        raise BuildError(
            f"this checkpoint has {own.bits} bits in the form {form!r}; allowed are 4 bits, and "
            "AWQ's gemm"
        )
    if own.act_order:
        raise BuildError("GPTQ with desc_act is not converted; allowed is a checkpoint without it")
    if own.group_size not in groups:
        raise BuildError(
            f"this checkpoint has groups of {own.group_size}; allowed are "
            f"{listed([str(size) for size in groups])}"
        )


def _check_sizes(options: argparse.Namespace, source: Source, scheme: EngineScheme) -> None:
    gpus = options.tensor_parallel_size
    check_gpus(source, gpus, GPUS)
    for name, size in matrix_inputs(source).items():
        if name in SPLIT and size % gpus:
            raise BuildError(f"{GPUS} {gpus} does not divide {name} = {size}")
    group = source.config.quantization.group_size if scheme.checkpoint else scheme.group
    if group:
        check_groups(source, group, gpus, f"--quantization {options.quantization}")


def check_gpu(options: argparse.Namespace, source: Source, name: str) -> None:
    """Checks the GPU here; without one, a build is refused in any case. Raises BuildError."""
    here = capability()
    if here is None:
        return
    has, gpu = here
    family = FAMILIES[source.config.whole_type]
    if not SCHEMES[name].runs_on(has):
        works = [n for n in (*family.schemes, *family.checkpoints) if SCHEMES[n].runs_on(has)]
        raise BuildError(
            f"--quantization {name} needs {SCHEMES[name].needs}, and {gpu} has {has}; what works "
            f"is {listed(works)}"
        )
    if options.kv_cache_dtype == "int8" and int(has) in NO_INT8_CACHE:
        raise BuildError(f"--kv-cache-dtype int8 does not run on {gpu} ({has}); fp8 works")


def pages(options: argparse.Namespace, name: str) -> bool:
    """Returns whether attention of prompts reads the KV cache in pages: for chunked prefill and for
    reuse.

    tensorrt_llm/builder.py turns it off for an INT8 cache and, where attention is not in FP8, for
    an FP8 one; here it is known before. Raises BuildError when it is asked for and cannot be.
    """
    can = options.kv_cache_dtype is None
    if options.kv_cache_dtype == "fp8":
        here = capability()
        can = SCHEMES[name].fp8_attention and (here is None or here[0] >= SCHEMES["fp8"].minimum)
    asked: str | None = options.use_paged_context_fmha
    if asked == "enable" and not can:
        raise BuildError(
            f"--use-paged-context-fmha enable does not go with --kv-cache-dtype "
            f"{options.kv_cache_dtype} and --quantization {name}; leave it out, and chunked "
            "prefill and reuse of the KV cache are off"
        )
    return can and asked != "disable"
