"""Make a checkpoint with 4- or 8-bit weights of a Hugging Face model."""

import sys

from build_scripts.builder import cli
from build_scripts.quantize.options import add_options
from build_scripts.quantize.recipe import Quantize


def main() -> int:
    parser = cli.builder_parser(Quantize.module, __doc__)
    add_options(parser, any_scheme=True)
    return cli.run(parser, Quantize)


if __name__ == "__main__":
    sys.exit(main())
