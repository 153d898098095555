"""MLC-LLM's commands: the weights, the configuration and the library."""

import argparse
import hashlib
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from build_scripts.builder import BuildError, Recipe, Source, Step
from build_scripts.compiled.stage import command as stage
from build_scripts.compiled.stage import conversations
from build_scripts.compiled.use import results
from build_scripts.mlc.checks import check, template_of
from build_scripts.mlc.tables import AWQ, SCHEMES
from build_scripts.quantize.blocks import default_text
from common.files import read_json

MODULE = "build_scripts.mlc"
INSTALL = "pip install --pre --find-links https://mlc.ai/wheels '.[mlc]'"
DEVICES = ("cuda", "rocm", "metal", "vulkan", "cpu")
CONFIG, WEIGHTS, LIBRARY = "mlc-chat-config.json", "tensor-cache.json", "lib.so"
SIZES = (
    *("context_window_size", "prefill_chunk_size", "max_batch_size"),
    "tensor_parallel_shards",
)
ARCHITECTURES = "MLC_MULTI_ARCH"
"""MLC-LLM's variable: compute capabilities that the library is for, such as 80,90a."""
NO_GRAPH = "O1"
"""The last preset without CUDA graphs, in which nothing can be measured."""
OFFLINE = {"HF_HUB_OFFLINE": "1"}


class Mlc(Recipe):
    kind = "mlc"
    module = MODULE

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._calibration = SCHEMES[options.quantization].calibration
        self.for_one_gpu = options.device == "cuda" and not os.environ.get(ARCHITECTURES)
        if options.calibration is not None and self._calibration is None:
            raise BuildError(
                f"--calibration has no effect with --quantization {options.quantization}; leave it "
                "out"
            )

    @property
    def scheme(self) -> str:
        return str(self._options.quantization)

    @property
    def arguments(self) -> Mapping[str, Any]:
        options = self._options
        arguments = {name: getattr(options, name) for name in ("device", "conv_template", *SIZES)}
        arguments |= {"opt": options.opt, "architectures": os.environ.get(ARCHITECTURES)}
        if self._calibration is not None:
            arguments["calibration_samples"] = options.calibration_samples
            named = options.calibration
            arguments["calibration"] = named and hashlib.sha256(named.read_bytes()).hexdigest()
        return arguments

    def tools(self) -> Mapping[str, str]:
        if find_spec("mlc_llm") is None:
            raise BuildError(f"MLC-LLM is not installed; install it with: {INSTALL}")
        names = metadata.packages_distributions().get("mlc_llm", ())
        return {"mlc_llm": metadata.version(names[0]) if names else "unknown"}

    def check(self, source: Source) -> None:
        check(self._options, source)
        if self._calibration is not None:
            conversations(source.path, self._text(source), self._options.calibration_samples)

    def _text(self, source: Source) -> Path:
        named: Path | None = self._options.calibration
        return named or default_text(source.path)

    def needed_bytes(self, source: Source) -> int:
        """Float32 weights are at most twice the source's; the library is below 1 GB."""
        return 2 * source.weight_bytes + 10**9

    def steps(self, source: Source, output: Path, scratch: Path) -> Sequence[Step]:
        model, library = scratch / "model", output / LIBRARY
        steps = [Step("lay out the model", self._stage(source, scratch))]
        first = self._calibration or self.scheme
        steps.append(self._weights(source, model, first, output))
        if self._calibration is not None:
            measuring = scratch / LIBRARY
            steps += [
                self._configuration(source, model, first, output),
                self._library(output, measuring, NO_GRAPH),
                self._measurement(output, measuring, scratch),
            ]
        steps.append(self._configuration(source, model, self.scheme, output))
        steps.append(self._library(output, library, self._options.opt))
        return steps

    def _stage(self, source: Source, scratch: Path) -> list[str]:
        words = stage(source.path, scratch / "model")
        if self._calibration is None:
            return words
        words += ["--calibration", str(self._text(source).absolute())]
        words += ["--samples", str(self._options.calibration_samples)]
        return [*words, "--conversations", str(scratch / "conversations.json")]

    def _weights(self, source: Source, model: Path, scheme: str, output: Path) -> Step:
        words = _tool("convert_weight", str(model), "--quantization", scheme)
        words += ["--device", self._options.device]
        if SCHEMES[self.scheme].kind == AWQ:
            # Of this format alone a directory is not taken.
            index = source.path / "model.safetensors.index.json"
            file = index.name if index.is_file() else "model.safetensors"
            words += ["--source-format", "awq", "--source", str(model / file)]
        return Step("convert the weights", [*words, "--output", str(output)], OFFLINE)

    def _configuration(self, source: Source, model: Path, scheme: str, output: Path) -> Step:
        words = _tool("gen_config", str(model), "--quantization", scheme)
        words += ["--conv-template", template_of(self._options, source)]
        for name in SIZES:
            value = getattr(self._options, name)
            if value is not None:
                words += [f"--{name.replace('_', '-')}", str(value)]
        return Step("write the configuration", [*words, "--output", str(output)], OFFLINE)

    def _library(self, output: Path, library: Path, opt: str) -> Step:
        words = _tool("compile", str(output / CONFIG), "--device", self._options.device)
        return Step("compile the library", [*words, "--opt", opt, "--output", str(library)])

    def _measurement(self, output: Path, library: Path, scratch: Path) -> Step:
        words = _tool("calibrate", str(output), "--model-lib", str(library))
        words += ["--device", self._options.device]
        words += ["--dataset", str(scratch / "conversations.json")]
        words += ["--num-calibration-samples", str(self._options.calibration_samples)]
        return Step("measure the activations", [*words, "--output", str(output)], OFFLINE)

    def finish(self, source: Source, output: Path) -> Mapping[str, Any]:
        for name in (CONFIG, WEIGHTS, LIBRARY):
            if not (output / name).is_file():
                raise BuildError(f"MLC-LLM wrote no {name}")
        tokens = int(read_json(output / CONFIG).get("context_window_size", 0))
        settings = {
            "quantization": self.scheme,
            "max_model_len": tokens if tokens > 0 else None,
            "max_concurrency": self._options.max_batch_size,
            "tensor_parallel_size": self._options.tensor_parallel_shards,
        }
        return results(self._options, {"mlc": {}}, settings)


def _tool(*words: str) -> list[str]:
    return [sys.executable, "-m", "mlc_llm", *words]
