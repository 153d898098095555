"""The command line of both quantizing programs, and the device they work on."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from build_scripts.quantize.schemes import SOURCE, TOKENS


class QuantizationJob(NamedTuple):
    """`source` is a model directory; `calibration` blocks of token ids, all of one length."""

    source: Path
    output: Path
    scheme: str
    group_size: int
    calibration: Sequence[Sequence[int]]
    trust_remote_code: bool


def read_job(program: str) -> QuantizationJob:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog=f"python -m {program}")
    parser.add_argument("--prepared", type=Path, required=True, help="written by .prepare")
    parser.add_argument("--output", type=Path, required=True, help="directory")
    parser.add_argument("--scheme", required=True)
    parser.add_argument("--group-size", type=int, required=True)
    parser.add_argument("--trust-remote-code", action="store_true")
    options = parser.parse_args()
    tokens = read_tokens(options.prepared)
    return QuantizationJob(
        options.prepared / SOURCE,
        options.output,
        options.scheme,
        options.group_size,
        tokens["calibration"],
        options.trust_remote_code,
    )


def read_tokens(prepared: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((prepared / TOKENS).read_text("utf-8"))
    return value


def device_map() -> str:
    """Returns the name for all GPUs where there are any, else for the CPU."""
    import torch

    return "auto" if torch.cuda.is_available() else "cpu"
