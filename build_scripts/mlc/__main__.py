"""Compile a model for MLC-LLM, into the BentoML model store."""

import sys

from build_scripts.builder import cli
from build_scripts.mlc.recipe import DEVICES, MODULE, SCHEMES, Mlc


def main() -> int:
    found = cli.parser(MODULE, __doc__)
    found.add_argument("--quantization", choices=SCHEMES, default="q4f16_1")
    found.add_argument("--device", choices=DEVICES, default="cuda")
    found.add_argument("--conv-template", help="MLC-LLM's name; chosen from the model family")
    found.add_argument("--context-window-size", type=int, help="tokens")
    found.add_argument("--prefill-chunk-size", type=int, help="tokens")
    found.add_argument("--max-batch-size", type=int, default=128, help="sequences")
    found.add_argument("--tensor-parallel-shards", type=int, default=1, help="GPUs")
    found.add_argument("--opt", choices=("O0", "O1", "O2", "O3"), default="O2")
    return cli.run(found, Mlc)


if __name__ == "__main__":
    sys.exit(main())
