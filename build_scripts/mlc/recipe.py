"""MLC-LLM's three commands: the weights, the configuration and the library."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from build_scripts.builder import BuildError, Recipe, Source, Step

MODULE = "build_scripts.mlc"
INSTALL = "pip install --pre --find-links https://mlc.ai/wheels '.[mlc]'"
# mlc-ai/mlc-llm, python/mlc_llm/quantization/quantization.py
SCHEMES = (
    *("q0f16", "q0bf16", "q0f32", "q3f16_0", "q3f16_1", "q4f16_0", "q4f16_1", "q4f16_2"),
    *("q4bf16_0", "q4bf16_1", "q4f32_1", "q4f16_autoawq", "q4f16_ft"),
    *("e5m2_e5m2_f16", "e4m3_e4m3_f16", "e4m3_e4m3_f16_max_calibrate"),
    *("fp8_e4m3fn_bf16_block_scale", "fp8_e4m3fn_bf16_block_scale_static_activation"),
)
DEVICES = ("cuda", "rocm", "metal", "vulkan")
# Names from mlc-ai/mlc-llm, python/mlc_llm/interface/gen_config.py, CONV_TEMPLATES; the pairing is
# ours. Services send token ids, and no template is used.
TEMPLATES = {
    "llama": "llama-3",
    "mistral": "mistral_default",
    "mixtral": "mistral_default",
    "qwen2": "qwen2",
    "qwen2_moe": "qwen2",
    "qwen3": "qwen2",
    "qwen3_moe": "qwen2",
    "gemma": "gemma_instruction",
    "gemma2": "gemma_instruction",
    "phi3": "phi-3",
    "gpt2": "gpt2",
}
AWQ = "q4f16_autoawq"
# mlc-ai/mlc-llm, python/mlc_llm/model/model.py: the families with a loader of AWQ checkpoints
AWQ_FAMILIES = ("llama", "mistral")
NEEDED = ("mlc-chat-config.json", "tensor-cache.json", "lib.so")


class Mlc(Recipe):
    kind = "mlc"
    module = MODULE

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self.for_one_gpu = options.device == "cuda"

    @property
    def scheme(self) -> str:
        return str(self._options.quantization)

    @property
    def arguments(self) -> Mapping[str, Any]:
        names = ("device", "conv_template", "opt", *SIZES)
        return {name: getattr(self._options, name) for name in names}

    def tools(self) -> Mapping[str, str]:
        if find_spec("mlc_llm") is None:
            raise BuildError(f"MLC-LLM is not installed; install it with: {INSTALL}")
        names = metadata.packages_distributions().get("mlc_llm", ())
        return {"mlc_llm": metadata.version(names[0]) if names else "unknown"}

    def check(self, source: Source) -> None:
        for name in SIZES:
            value = getattr(self._options, name)
            if value is not None and value < 1:
                flag = name.replace("_", "-")
                raise BuildError(f"--{flag}: {value}; allowed is a whole number from 1")
        self._template(source)
        family = str(source.config.get("model_type"))
        method = (source.config.get("quantization_config") or {}).get("quant_method")
        if self.scheme == AWQ and (method != "awq" or family not in AWQ_FAMILIES):
            raise BuildError(
                f"--quantization {AWQ} needs an AWQ checkpoint of {' or '.join(AWQ_FAMILIES)}, and "
                f"this is {family} ({method or 'not quantized'}); q4f16_1 takes plain weights"
            )
        if self.scheme != AWQ and method is not None:
            raise BuildError(
                f"--quantization {self.scheme} needs plain weights, and these are {method}; "
                "name the model that they were made from"
            )

    def needed_bytes(self, source: Source) -> int:
        """Float32 weights are at most twice the source's; the library is below 1 GB."""
        return 2 * source.weight_bytes + 10**9

    def steps(self, source: Source, output: Path, scratch: Path) -> Sequence[Step]:
        tool, model = [sys.executable, "-m", "mlc_llm"], str(source.path)
        scheme = ["--quantization", self.scheme]
        config = [*tool, "gen_config", model, *scheme, "--conv-template", self._template(source)]
        for name in SIZES:
            value = getattr(self._options, name)
            if value is not None:
                config += [f"--{name.replace('_', '-')}", str(value)]
        device = ["--device", self._options.device]
        weights = [*tool, "convert_weight", model, *scheme, *device, "--output", str(output)]
        library = [*tool, "compile", str(output / NEEDED[0]), *device, "--opt", self._options.opt]
        return [
            Step("convert the weights", weights),
            Step("write the configuration", [*config, "--output", str(output)]),
            Step("compile the library", [*library, "--output", str(output / NEEDED[2])]),
        ]

    def finish(self, source: Source, output: Path) -> Mapping[str, Any]:
        for name in NEEDED:
            if not (output / name).is_file():
                raise BuildError(f"MLC-LLM wrote no {name}")
        return {}

    def _template(self, source: Source) -> str:
        named = self._options.conv_template
        family = str(source.config.get("model_type"))
        if named is None and family not in TEMPLATES:
            raise BuildError(
                f"no conversation template is known for {family}; known are "
                f"{', '.join(TEMPLATES)}, and --conv-template names another (LM for a family "
                "that MLC-LLM has and that none fits)"
            )
        return str(named or TEMPLATES[family])


SIZES = (
    *("context_window_size", "prefill_chunk_size", "max_batch_size"),
    "tensor_parallel_shards",
)
