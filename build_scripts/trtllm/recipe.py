"""Three commands: the model laid out, the checkpoint in TensorRT-LLM's form, the engine."""

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from build_scripts.builder import BuildError, Recipe, Source, Step
from build_scripts.compiled.stage import command as stage
from build_scripts.compiled.use import results
from build_scripts.trtllm.calibration import Calibration, check_path
from build_scripts.trtllm.checks import check_gpu, check_options, check_source, pages, scheme_of
from build_scripts.trtllm.tables import FAMILIES, SCHEMES, VERSION
from build_scripts.trtllm.tools import BUILD, QUANTIZE, TOKEN, Docker, Local, Needs, folders_of
from common.files import read_json

MODULE = "build_scripts.trtllm"
DTYPES = ("bfloat16", "float16", "float32")
LIMITS = ("max_batch_size", "max_num_tokens", "max_input_len", "max_seq_len", "opt_num_tokens")
CHUNK = 2048
"""Tokens in one forward pass."""
WHOLE = 8192
"""The same where a prompt is not cut into chunks: longer ones are refused then (TensorRT-LLM's
trtGptModel.h: maxInputLen)."""
ROOM = 2 * 10**9
"""Bytes for what is not weights: plugins, profiles, configuration."""


class TensorRTEngine(Recipe):
    kind = "tensorrt_llm"
    module = MODULE
    for_one_gpu = True

    def __init__(self, options: argparse.Namespace) -> None:
        check_options(options)
        self._options = options
        self._tools = Docker(options.docker) if options.docker else Local(options.examples)
        self._scheme: str | None = None

    @property
    def scheme(self) -> str:
        assert self._scheme is not None, "known once the model was checked"
        return self._scheme

    @property
    def arguments(self) -> Mapping[str, Any]:
        names: tuple[str, ...] = (*LIMITS, "tensor_parallel_size", "dtype", "kv_cache_dtype")
        names += ("gemm_plugin", "multiple_profiles", "use_paged_context_fmha", "kv_cache_type")
        arguments = {name: getattr(self._options, name) for name in names}
        if self._calibration.needed:
            arguments["calibration"] = self._calibration.identity
            arguments["calibration_samples"] = self._calibration.samples
        return arguments

    @property
    def _calibration(self) -> Calibration:
        return Calibration(self._options, self.scheme)

    def tools(self) -> Mapping[str, str]:
        return self._tools.versions()

    def check(self, source: Source) -> None:
        self._scheme = scheme_of(self._options, source)
        check_source(self._options, source, self.scheme)
        self._calibration.check(source)
        check_gpu(self._options, source, self.scheme)
        pages(self._options, self.scheme)

    def needed_bytes(self, source: Source) -> int:
        """The checkpoint and the engine, neither of which is larger than 16-bit weights, but for
        what each GPU has of its own."""
        return 2 * source.weight_bytes + ROOM

    def steps(self, source: Source, output: Path, scratch: Path) -> Sequence[Step]:
        model, texts, checkpoint = (scratch / name for name in ("model", "texts", "checkpoint"))
        first = stage(source.path, model)
        calibration = self._calibration
        if calibration.needed:
            check_path(scratch)
            if calibration.dataset is None:
                first += ["--calibration", str(calibration.file(source))]
                first += ["--samples", str(calibration.samples), "--dataset", str(texts)]
        environment = {"HF_DATASETS_CACHE": str(scratch / "datasets")}
        if calibration.dataset is None:
            environment |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
        elif TOKEN in os.environ:
            environment[TOKEN] = os.environ[TOKEN]
        write = (output, scratch)
        make = self._tools.wrapped(
            self._checkpoint(model, texts, checkpoint, source),
            Needs(environment.keys(), folders_of(source.path), write),
        )
        compile_ = self._tools.wrapped(
            self._engine(source, checkpoint, output, scratch), Needs((), (), write)
        )
        return [
            Step("lay out the model", first),
            Step("make the checkpoint", make, environment),
            Step("compile the engine", compile_),
        ]

    def _checkpoint(
        self, model: Path, texts: Path, checkpoint: Path, source: Source
    ) -> Sequence[str]:
        """Returns the command: the family's converter, or the one that measures."""
        options, scheme = self._options, SCHEMES[self.scheme]
        gpus = str(options.tensor_parallel_size)
        words = ["--model_dir", str(model), "--output_dir", str(checkpoint)]
        words += ["--dtype", options.dtype or "auto"]
        calibration = self._calibration
        if not calibration.needed:
            family = FAMILIES[source.config.whole_type]
            words += [family.gpus, gpus, *family.extra]
            if family.workers:
                words += ["--workers", str(self._workers)]
            if scheme.weight_only:
                words += ["--use_weight_only", "--weight_only_precision", scheme.weight_only]
            return [*self._tools.python, str(self._tools.examples / family.converter), *words]
        words += ["--tp_size", gpus, "--qformat", scheme.qformat]
        words += ["--calib_dataset", calibration.dataset or str(texts)]
        words += ["--calib_size", str(calibration.samples)]
        if scheme.group:
            words += ["--awq_block_size", str(scheme.group)]
        if options.kv_cache_dtype is not None:
            words += ["--kv_cache_dtype", options.kv_cache_dtype]
        return [*self._tools.python, str(self._tools.examples / QUANTIZE), *words]

    @property
    def _workers(self) -> int:
        return int(self._options.workers or self._options.tensor_parallel_size)

    def _engine(
        self, source: Source, checkpoint: Path, output: Path, scratch: Path
    ) -> Sequence[str]:
        options = self._options
        words = [BUILD, "--checkpoint_dir", str(checkpoint), "--output_dir", str(output)]
        paged = pages(options, self.scheme) and options.kv_cache_type == "paged"
        for name in LIMITS:
            value = getattr(options, name)
            if name == "max_num_tokens" and value is None:
                value = CHUNK if paged else max(CHUNK, min(WHOLE, self._longest(source)))
            if value is not None:
                words += [f"--{name}", str(value)]
        plugin = "disable" if self.scheme.startswith("fp8") else "auto"
        return [
            *words,
            *("--gemm_plugin", options.gemm_plugin or plugin, "--gpt_attention_plugin", "auto"),
            *("--use_paged_context_fmha", "enable" if paged else "disable"),
            *("--kv_cache_type", options.kv_cache_type),
            *("--multiple_profiles", options.multiple_profiles),
            *("--workers", str(self._workers)),
            # By default it is left in the directory where the command runs.
            *("--output_timing_cache", str(scratch / "model.cache")),
        ]

    def _longest(self, source: Source) -> int:
        """Returns the tokens of the longest sequence."""
        limit = source.config.context_length or WHOLE
        return int(self._options.max_seq_len or limit)

    def finish(self, source: Source, output: Path) -> Mapping[str, Any]:
        options = self._options
        ranks = [f"rank{rank}.engine" for rank in range(options.tensor_parallel_size)]
        for name in ("config.json", *ranks):
            if not (output / name).is_file():
                raise BuildError(f"{BUILD} has ended without {name}")
        config = read_json(output / "config.json")
        version = str(config.get("version", VERSION))
        if version != VERSION:
            raise BuildError(f"{BUILD} has made an engine of TensorRT-LLM {version}, not {VERSION}")
        build = config.get("build_config") or {}
        plugins = build.get("plugin_config") or {}
        paged = bool(plugins.get("use_paged_context_fmha"))
        settings = {
            "max_model_len": build.get("max_seq_len"),
            "max_concurrency": build.get("max_batch_size"),
            "tensor_parallel_size": options.tensor_parallel_size,
            "chunked_prefill": paged,
            "prefix_caching": paged,
        }
        backends = {"triton": {}, "tensorrt_llm": {"engine_dir": "auto"}}
        return results(options, backends, {"quantization": self.scheme, **settings})
