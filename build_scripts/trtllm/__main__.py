"""Compile a TensorRT engine for the GPU of this machine, into the BentoML model store."""

import argparse
import sys
from pathlib import Path

from build_scripts.builder import cli
from build_scripts.builder.cli import positive
from build_scripts.trtllm.recipe import DTYPES, MODULE, TensorRTEngine
from build_scripts.trtllm.tables import AUTO, SCHEMES
from build_scripts.trtllm.tools import IMAGE

SWITCH = ("enable", "disable")


def main() -> int:
    parser = cli.builder_parser(MODULE, __doc__)
    add_options(parser)
    return cli.run(parser, TensorRTEngine)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Defaults are those of a study of TensorRT-LLM under load (2024): docs/quantization.md."""
    add = parser.add_argument
    add(
        "--quantization",
        choices=(AUTO, *SCHEMES),
        default=AUTO,
        help="auto takes plain weights as they are, and compiles AWQ and GPTQ checkpoints",
    )
    add("--kv-cache-dtype", choices=("int8", "fp8"), help="none is that of the model")
    add("--dtype", choices=DTYPES, help="none is that of the checkpoint")
    add("--tensor-parallel-size", type=positive, default=1, help="GPUs that share the model")
    add("--workers", type=positive, help="processes that compile; none is one for each GPU")
    add("--max-batch-size", type=positive, default=2048, help="sequences at once")
    add("--max-num-tokens", type=positive, help="tokens in one forward pass; none is 2048")
    add("--max-input-len", type=positive, help="tokens of a prompt")
    add("--max-seq-len", type=positive, help="tokens of prompt plus answer; none is the model's")
    add("--opt-num-tokens", type=positive, help="tokens to tune for")
    add(
        "--gemm-plugin",
        choices=("auto", "bfloat16", "float16", "fp8", "disable"),
        help="none is auto, and disable for fp8",
    )
    add("--multiple-profiles", choices=SWITCH, default="enable", help="longer build, faster engine")
    add(
        "--use-paged-context-fmha",
        choices=SWITCH,
        help="for chunked prefill and reuse of the KV cache; none is enable where it can be",
    )
    add("--kv-cache-type", choices=("paged", "continuous"), default="paged")
    add(
        "--calibration",
        metavar="FILE",
        help="JSON Lines with text, prompt or messages, or plain text; or cnn_dailymail or pileval "
        "on the hub; none is the questions of the demo model",
    )
    add("--calibration-samples", type=positive, help="none is 512, and 32 for AWQ")
    add("--examples", type=Path, metavar="DIR", help="of TensorRT-LLM's source")
    add("--docker", nargs="?", const=IMAGE, metavar="IMAGE", help=f"run in it; {IMAGE}")
    add("--trust-remote-code", action="store_true", help="run code that the model brings")


if __name__ == "__main__":
    sys.exit(main())
