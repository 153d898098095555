"""Compile a TensorRT engine for the GPU of this machine, into the BentoML model store."""

import argparse
import sys
from pathlib import Path

from build_scripts.builder import cli
from build_scripts.trtllm.recipe import DTYPES, MODULE, TensorRTEngine
from build_scripts.trtllm.schemes import NONE, SCHEMES
from build_scripts.trtllm.tools import IMAGE

SWITCH = ("enable", "disable")


def main() -> int:
    found = cli.parser(MODULE, __doc__)
    add_options(found)
    return cli.run(found, TensorRTEngine)


def add_options(found: argparse.ArgumentParser) -> None:
    """Defaults are those of a study of TensorRT-LLM under load (2024): docs/quantization.md."""
    add = found.add_argument
    add("--quantization", choices=SCHEMES, default=NONE)
    add("--kv-cache-dtype", choices=("int8", "fp8"), help="none is that of the model")
    add("--dtype", choices=DTYPES, help="none is that of the checkpoint")
    add("--tensor-parallel-size", type=positive, default=1, help="GPUs that share the model")
    add("--max-batch-size", type=positive, default=2048, help="sequences at once")
    add("--max-num-tokens", type=positive, default=2048, help="tokens in one forward pass")
    add("--max-input-len", type=positive, help="tokens of a prompt")
    add("--max-seq-len", type=positive, help="tokens of prompt plus answer; none is the model's")
    add("--opt-num-tokens", type=positive, help="tokens to tune for")
    add("--gemm-plugin", choices=("auto", "bfloat16", "float16", "fp8", "disable"))
    add("--multiple-profiles", choices=SWITCH, default="enable", help="longer build, faster engine")
    add("--calibration", type=Path, metavar="DIR", help="dataset on disk; none is from the hub")
    add("--calibration-samples", type=positive, default=512)
    add("--examples", type=Path, metavar="DIR", help="of TensorRT-LLM's source")
    add("--docker", nargs="?", const=IMAGE, metavar="IMAGE", help=f"run in it; {IMAGE}")


def positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError
    return value


if __name__ == "__main__":
    sys.exit(main())
