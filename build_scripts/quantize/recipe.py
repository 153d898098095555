"""The recipe of a quantized checkpoint: texts to tokens, the tool, then a measurement."""

import argparse
import hashlib
import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from build_scripts.builder import BuildError, Recipe, Source, Step
from build_scripts.quantize.blocks import TextOptions, blocks, default_text
from build_scripts.quantize.checks import check_source
from build_scripts.quantize.interpreter import (
    AUTOAWQ,
    LLMCOMPRESSOR,
    REPOSITORY,
    interpreter,
    versions,
)
from build_scripts.quantize.samples import OWN_QUESTIONS
from build_scripts.quantize.schemes import AUTOAWQ as AUTOAWQ_FORMAT
from build_scripts.quantize.schemes import QUALITY, SCHEMES
from common.models.portable import read_json

CONFIGURATION_BYTES = 100_000_000
"""Tokenizer and texts, at most."""
ENVIRONMENT = {
    # Threads that wait in a spin take the cores from those that work.
    "OMP_WAIT_POLICY": "PASSIVE",
    "PYTHONPATH": str(REPOSITORY),
    "PYTHONUNBUFFERED": "1",
    "PYTHONWARNINGS": "ignore",
    "HF_HUB_OFFLINE": "1",
    # It warns at each layer that there is no accelerator.
    "LLM_COMPRESSOR_LOG_LEVEL": "ERROR",
    "TOKENIZERS_PARALLELISM": "false",
}


class Quantize(Recipe):
    """Builds a checkpoint by the options that options.py adds."""

    kind = "checkpoint"
    module = "build_scripts.quantize"

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._scheme = SCHEMES[options.scheme]
        self._tool = AUTOAWQ if options.format == AUTOAWQ_FORMAT else LLMCOMPRESSOR
        if self._tool is AUTOAWQ and options.scheme != "awq":
            raise BuildError(
                f"--format {options.format} is for scheme awq only; leave it out for "
                f"{options.scheme}"
            )
        if options.calibration is not None and not self._scheme.calibrated:
            raise BuildError(
                f"scheme {options.scheme} needs no calibration; leave --calibration out, or name "
                "the text to measure with by --held-out"
            )

    @property
    def scheme(self) -> str:
        return str(self._options.scheme)

    @property
    def arguments(self) -> Mapping[str, Any]:
        options, arguments = self._options, {"format": self._options.format}
        if self._scheme.grouped:
            arguments["group_size"] = options.group_size
        if self._scheme.calibrated:
            arguments["samples"] = options.samples
            arguments["sequence_length"] = options.sequence_length
            arguments["calibration"] = _digest(options.calibration)
            # Of its own text a tenth is not calibrated with.
            arguments["held_out"] = options.held_out is None
        return arguments

    @cached_property
    def _python(self) -> str:
        return interpreter(self._tool, self._options.python)

    def tools(self) -> Mapping[str, str]:
        return versions(self._tool, self._python)

    def check(self, source: Source) -> None:
        group_size = self._options.group_size if self._scheme.grouped else None
        check_source(source, group_size=group_size, autoawq=self._tool is AUTOAWQ)
        limit = source.config.context_length
        if limit is not None and self._options.sequence_length > limit:
            raise BuildError(
                f"--sequence-length {self._options.sequence_length} is more than the model's "
                f"{limit} tokens; allowed is at most that"
            )
        blocks(source.path, self._text_options(source))

    def _text_options(self, source: Source) -> TextOptions:
        options = self._options
        own = source.path / OWN_QUESTIONS
        questions = options.questions or (own if own.is_file() else None)
        return TextOptions(
            options.calibration or default_text(source.path),
            options.held_out,
            None if options.no_quality else questions,
            options.samples,
            options.sequence_length,
            self._scheme.calibrated,
        )

    def needed_bytes(self, source: Source) -> int:
        return source.weight_bytes + CONFIGURATION_BYTES

    def steps(self, source: Source, output: Path, scratch: Path) -> Sequence[Step]:
        options = self._options
        trust = ["--trust-remote-code"] if options.trust_remote_code else []
        quantize = [
            *(self._python, "-m", f"build_scripts.quantize.with_{self._tool.name}"),
            *("--prepared", str(scratch), "--output", str(output)),
            *("--scheme", options.scheme, "--group-size", str(options.group_size)),
        ]
        measure = [
            *(self._python, "-m", "build_scripts.quantize.measure"),
            *("--prepared", str(scratch), "--checkpoint", str(output)),
        ]
        steps = [
            Step("prepare the text", self._preparation(source, scratch), ENVIRONMENT),
            Step(f"quantize with {self._tool.title}", [*quantize, *trust], ENVIRONMENT),
            Step("measure what was lost", [*measure, *trust], ENVIRONMENT),
        ]
        return steps[:2] if options.no_quality else steps

    def _preparation(self, source: Source, scratch: Path) -> list[str]:
        text = self._text_options(source)
        words = [sys.executable, "-m", "build_scripts.quantize.prepare"]
        words += ["--model", str(source.path), "--output", str(scratch)]
        words += ["--calibration", str(text.calibration)]
        words += ["--samples", str(text.samples if text.calibrated else 0)]
        words += ["--sequence-length", str(text.length)]
        if text.held_out is not None:
            words += ["--held-out", str(text.held_out)]
        if text.questions is not None:
            words += ["--questions", str(text.questions)]
        return words

    def finish(self, source: Source, output: Path) -> Mapping[str, Any]:
        config = read_json(output / "config.json")
        if "quantization_config" not in config or not any(output.glob("*.safetensors")):
            raise BuildError(f"{self._tool.title} has ended without a checkpoint")
        quality = output / QUALITY
        return read_json(quality) if quality.is_file() else {}


def _digest(file: Path | None) -> str | None:
    """Returns the digest of a text's content, None where the model decides which is taken."""
    return None if file is None else hashlib.sha256(file.read_bytes()).hexdigest()
