"""Make a checkpoint with 4-bit AWQ weights of a Hugging Face model."""

import sys

from build_scripts.builder import cli
from build_scripts.quantize.options import add_options
from build_scripts.quantize.recipe import Quantize


class AWQ(Quantize):
    module = "build_scripts.awq"


def main() -> int:
    parser = cli.builder_parser(AWQ.module, __doc__)
    add_options(parser, any_scheme=False)
    return cli.run(parser, AWQ)


if __name__ == "__main__":
    sys.exit(main())
