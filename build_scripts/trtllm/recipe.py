"""Two commands: the checkpoint in TensorRT-LLM's form, then the engine."""

import argparse
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from build_scripts.builder import BuildError, Recipe, Source, Step
from build_scripts.trtllm.schemes import CALIBRATED, CONVERTERS, NONE, SCHEMES
from build_scripts.trtllm.tools import BUILD, Docker, Local
from common.errors import StartError
from common.gpu import visible_gpus

MODULE = "build_scripts.trtllm"
BFLOAT16_MINIMUM = 8.0
"""Compute capability."""
DTYPES = ("bfloat16", "float16", "float32")
LIMITS = ("max_batch_size", "max_num_tokens", "max_input_len", "max_seq_len", "opt_num_tokens")


class TensorRTEngine(Recipe):
    kind = "tensorrt_llm"
    module = MODULE
    for_one_gpu = True

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._tools = Docker(options.docker) if options.docker else Local(options.examples)
        if options.opt_num_tokens is not None and options.multiple_profiles == "enable":
            raise BuildError(
                "--opt-num-tokens is for one profile; leave it out, or add --multiple-profiles "
                "disable"
            )
        if options.calibration is not None and options.quantization not in CALIBRATED:
            raise BuildError(
                f"--calibration has no effect with --quantization {options.quantization}; leave it "
                "out"
            )

    @property
    def scheme(self) -> str:
        return str(self._options.quantization)

    @property
    def arguments(self) -> Mapping[str, Any]:
        names: tuple[str, ...] = (*LIMITS, "tensor_parallel_size", "dtype", "kv_cache_dtype")
        names += ("gemm_plugin", "multiple_profiles", "calibration_samples")
        found = {name: getattr(self._options, name) for name in names}
        return {**found, "calibration": str(self._options.calibration or "")}

    def tools(self) -> Mapping[str, str]:
        return self._tools.versions()

    def check(self, source: Source) -> None:
        family = str(source.config.get("model_type"))
        if family not in CONVERTERS:
            raise BuildError(
                f"{family} models are not compiled here; allowed are {', '.join(CONVERTERS)}"
            )
        stored = (source.config.get("quantization_config") or {}).get("quant_method")
        if stored is not None:
            raise BuildError(
                f"{source.model} is quantized already ({stored}); give the model that it was made "
                "from, with 16-bit weights"
            )
        heads = source.text_config.get("num_attention_heads")
        size = self._options.tensor_parallel_size
        if heads is not None and heads % size:
            raise BuildError(f"--tensor-parallel-size {size} does not divide {heads} heads")
        self._check_length(source)
        self._check_gpu(source)

    def _check_length(self, source: Source) -> None:
        wanted, limit = (
            self._options.max_seq_len,
            source.text_config.get("max_position_embeddings"),
        )
        if wanted is not None and limit is not None and wanted > limit:
            raise BuildError(f"--max-seq-len {wanted} is more than the model's {limit} tokens")

    def _check_gpu(self, source: Source) -> None:
        """What the GPU lacks; that there is none is told later, and does not end a dry run."""
        try:
            capability, name = visible_gpus("any kind")[0]
        except StartError:
            return
        scheme, has = SCHEMES[self.scheme], float(capability)
        works = [n for n, s in SCHEMES.items() if s.minimum <= has <= (s.maximum or has)]
        if self.scheme not in works:
            until = f" to {scheme.maximum}" if scheme.maximum else ""
            raise BuildError(
                f"--quantization {self.scheme} needs compute capability {scheme.minimum}{until}, "
                f"and {name} has {capability}; what works is {', '.join(works) or 'no scheme'}"
            )
        if self._dtype(source) == "bfloat16" and has < BFLOAT16_MINIMUM:
            raise BuildError(f"{name} has no bfloat16; add --dtype float16")

    def needed_bytes(self, source: Source) -> int:
        """The checkpoint and the engine, neither of which is larger than 16-bit weights."""
        return 2 * source.weight_bytes + 2 * 10**9

    def steps(self, source: Source, output: Path, scratch: Path) -> Sequence[Step]:
        checkpoint = scratch / "checkpoint"
        folders = (output, scratch)

        def step(title: str, argv: Sequence[str]) -> Step:
            return Step(title, self._tools.wrap(argv, source.path, folders))

        return [
            step("make the checkpoint", self._checkpoint(source, checkpoint)),
            step("compile the engine", self._engine(source, checkpoint, output)),
        ]

    def _checkpoint(self, source: Source, checkpoint: Path) -> list[str]:
        """Plain weights by the family's converter, everything else by calibration."""
        options, examples = self._options, self._tools.examples
        common = ["--model_dir", str(source.path), "--dtype", self._dtype(source)]
        common += ["--tp_size", str(options.tensor_parallel_size), "--output_dir", str(checkpoint)]
        if self.scheme == NONE and options.kv_cache_dtype is None:
            family = CONVERTERS[str(source.config["model_type"])]
            script = examples / "models" / "core" / family / "convert_checkpoint.py"
            return [self._tools.python, str(script), *common]
        command = [self._tools.python, str(examples / "quantization" / "quantize.py"), *common]
        command += ["--qformat", SCHEMES[self.scheme].qformat]
        if options.kv_cache_dtype is not None:
            command += ["--kv_cache_dtype", options.kv_cache_dtype]
        command += ["--calib_size", str(options.calibration_samples)]
        if options.calibration is not None:
            command += ["--calib_dataset", str(options.calibration)]
        return command

    def _engine(self, source: Source, checkpoint: Path, output: Path) -> list[str]:
        options = self._options
        command = [BUILD, "--checkpoint_dir", str(checkpoint), "--output_dir", str(output)]
        for name in LIMITS:
            value = getattr(options, name)
            if value is not None:
                command += [f"--{name}", str(value)]
        return [
            *command,
            *("--gemm_plugin", self._gemm_plugin(source), "--gpt_attention_plugin", "auto"),
            # Chunked context and reuse of the KV cache need it.
            *("--use_paged_context_fmha", "enable", "--kv_cache_type", "paged"),
            *("--multiple_profiles", options.multiple_profiles),
            *("--workers", str(options.tensor_parallel_size)),
        ]

    def _dtype(self, source: Source) -> str:
        """Of the command line, else the checkpoint's own."""
        config = source.text_config
        stored = str(config.get("dtype") or config.get("torch_dtype") or "float16")
        return str(self._options.dtype or (stored if stored in DTYPES else "float16"))

    def _gemm_plugin(self, source: Source) -> str:
        """Faster for 16-bit matrices, and slower than TensorRT's own for FP8."""
        if self._options.gemm_plugin is not None:
            return str(self._options.gemm_plugin)
        return "disable" if self.scheme.startswith("fp8") else self._dtype(source)

    def finish(self, source: Source, output: Path) -> Mapping[str, Any]:
        options = self._options
        ranks = [f"rank{rank}.engine" for rank in range(options.tensor_parallel_size)]
        for name in ("config.json", *ranks):
            if not (output / name).is_file():
                raise BuildError(f"{BUILD} has ended without {name}")
        settings = {"ENGINE_DIR": "PATH", "MAX_CONCURRENCY": str(options.max_batch_size)}
        if source.model != "demo":
            settings["MODEL"] = source.model
        if options.max_seq_len is not None:
            settings["MAX_MODEL_LEN"] = str(options.max_seq_len)
        words = [f"{name}={shlex.quote(value)}" for name, value in sorted(settings.items())]
        return {"settings": settings, "serve": " ".join([*words, "scripts/serve triton"])}
