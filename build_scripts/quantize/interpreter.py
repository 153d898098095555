"""The interpreter that has a quantizing tool: of its own environment, or ours."""

import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from build_scripts.builder import BuildError
from build_scripts.builder.packages import installed

REPOSITORY = Path(__file__).parents[2]


class QuantizingTool(NamedTuple):
    """One tool. `name` is that of the environment that scripts/setup makes.

    `packages` decide the result; the first one is the tool itself.
    """

    name: str
    title: str
    module: str
    packages: tuple[str, ...]


LLMCOMPRESSOR = QuantizingTool(
    "llmcompressor",
    "llm-compressor",
    "llmcompressor",
    ("llmcompressor", "compressed-tensors", "transformers", "torch"),
)
AUTOAWQ = QuantizingTool("autoawq", "AutoAWQ", "awq", ("autoawq", "transformers", "torch"))


def interpreter(tool: QuantizingTool, given: str | None) -> str:
    """Returns the one that is given, that of the tool's own environment, or ours if it has it.

    Where there is none: the path at which scripts/setup would make it.
    """
    own = REPOSITORY / f".venv-{tool.name}" / "bin" / "python"
    if given is not None:
        return given
    if not own.exists() and importlib.util.find_spec(tool.module):
        return sys.executable
    return str(own)


def versions(tool: QuantizingTool, python: str) -> Mapping[str, str]:
    """Returns those of the tool's packages. Raises BuildError where it is not installed."""
    known = installed([python], tool.packages)
    if tool.packages[0] not in known:
        raise BuildError(
            f"{tool.title} is not installed ({python} has none): run scripts/setup {tool.name}, or "
            f"name the Python of an environment with {tool.packages[0]} by --python"
        )
    return {name: known[name] for name in tool.packages if name in known}
