"""Compile a model for MLC-LLM, into the BentoML model store."""

import argparse
import sys
from pathlib import Path

from build_scripts.builder import cli
from build_scripts.builder.cli import positive
from build_scripts.mlc.recipe import DEVICES, MODULE, Mlc
from build_scripts.mlc.tables import SCHEMES


def main() -> int:
    parser = cli.builder_parser(MODULE, __doc__)
    add_options(parser)
    return cli.run(parser, Mlc)


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--quantization", choices=tuple(SCHEMES), default="q4f16_1")
    add("--device", choices=DEVICES, default="cuda")
    add("--conv-template", help="MLC-LLM's name; chosen from the model family")
    add("--context-window-size", type=positive, help="tokens; none is the model's context")
    add("--prefill-chunk-size", type=positive, help="tokens; none is MLC-LLM's choice")
    add("--max-batch-size", type=positive, default=128, help="sequences")
    add("--tensor-parallel-shards", type=positive, default=1, help="GPUs")
    add("--opt", choices=("O0", "O1", "O2", "O3"), default="O2")
    add(
        "--calibration",
        type=Path,
        metavar="FILE",
        help="for e4m3_e4m3_f16: JSON Lines with prompt or messages, and answer; none is the "
        "questions of the demo model",
    )
    add("--calibration-samples", type=positive, default=16)


if __name__ == "__main__":
    sys.exit(main())
