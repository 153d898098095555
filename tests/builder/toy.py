"""A builder as a person runs it: it copies the model's config, with a tool that can fail."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from build_scripts.builder import BuildError, Recipe, Source, Step, cli

TOOL = str(Path(__file__).with_name("toy_tool.py"))
MODULE = "tests.builder.toy"


class Toy(Recipe):
    kind = "toy"
    module = MODULE
    scheme = "none"

    def __init__(self, options: argparse.Namespace) -> None:
        self.for_one_gpu = options.for_gpu
        self._options = options

    @property
    def arguments(self) -> Mapping[str, Any]:
        return {"text": self._options.text}

    def tools(self) -> Mapping[str, str]:
        return {"toy": self._options.tool_version}

    def check(self, source: Source) -> None:
        if self._options.text == "refused":
            raise BuildError("--text: 'refused' cannot be built; allowed is anything else")

    def needed_bytes(self, source: Source) -> int:
        return int(self._options.bytes)

    def steps(self, source: Source, output: Path, scratch: Path) -> Sequence[Step]:
        command = [sys.executable, TOOL, "--config", str(source.path / "config.json")]
        return [
            Step("write a draft", [*command, "--output", str(scratch / "draft")]),
            Step(
                "write the result",
                [*command, "--output", str(output / "result")],
                {"TEXT": self._options.text},
            ),
        ]

    def finish(self, source: Source, output: Path) -> Mapping[str, Any]:
        if not (output / "result").exists():
            raise BuildError("the tool wrote no result")
        return {"words": len((output / "result").read_text().split())}


def main() -> int:
    parser = cli.builder_parser(MODULE, __doc__)
    parser.add_argument("--text", default="some words")
    parser.add_argument("--tool-version", default="1")
    parser.add_argument("--bytes", type=int, default=1000)
    parser.add_argument("--for-gpu", action="store_true")
    return cli.run(parser, Toy)


if __name__ == "__main__":
    sys.exit(main())
