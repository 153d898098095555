"""The command line of the quantizing builders."""

import argparse
from pathlib import Path

from build_scripts.builder.cli import positive
from build_scripts.quantize.schemes import COMPRESSED_TENSORS, FORMATS, SCHEMES
from common.models.quantizable import GROUP_SIZES

SAMPLES = 128
SEQUENCE_LENGTH = 512


def add_options(parser: argparse.ArgumentParser, *, any_scheme: bool) -> None:
    """`any_scheme`: asked for by --scheme, else AWQ."""
    add = parser.add_argument
    if any_scheme:
        says = "; ".join(f"{name}: {scheme.says}" for name, scheme in SCHEMES.items())
        add("--scheme", choices=SCHEMES, required=True, help=says)
    else:
        parser.set_defaults(scheme="awq")
    add(
        "--format",
        choices=FORMATS,
        default=COMPRESSED_TENSORS,
        help="of the checkpoint; autoawq (scheme awq only) for engines that know no other",
    )
    add("--group-size", type=int, choices=GROUP_SIZES, default=128, help="columns with one scale")
    add(
        "--calibration",
        type=Path,
        metavar="FILE",
        help="JSON Lines with text, prompt or messages in each (and answer), or plain text; better "
        "like what the model will be asked; none is the questions of the demo model",
    )
    add("--samples", type=positive, default=SAMPLES, help="of the text to calibrate with, at most")
    add("--sequence-length", type=positive, default=SEQUENCE_LENGTH, help="tokens in a sample")
    add(
        "--held-out",
        type=Path,
        metavar="FILE",
        help="text to measure the perplexity with; none is a tenth of the calibration's",
    )
    add(
        "--questions",
        type=Path,
        metavar="FILE",
        help="JSON Lines with prompt or messages, and answer: how many are answered exactly; none "
        "is the model's own questions.jsonl, if it has one",
    )
    add("--no-quality", action="store_true", help="measure nothing")
    add("--trust-remote-code", action="store_true", help="run code that the model brings")
    add("--python", metavar="FILE", help="of an environment with the tool")
