"""Where a quantizing tool is installed: its own environment, or ours."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from build_scripts.builder import BuildError

REPOSITORY = Path(__file__).parents[2]
VERSIONS = """
import json, sys
from importlib.metadata import PackageNotFoundError, version
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = version(name)
    except PackageNotFoundError:
        pass
print(json.dumps(found))
"""


class Tool(NamedTuple):
    """`name` is that of the environment that scripts/setup makes.

    `packages` decide the result; the first one is the tool itself.
    """

    name: str
    title: str
    module: str
    packages: tuple[str, ...]


LLMCOMPRESSOR = Tool(
    "llmcompressor",
    "llm-compressor",
    "llmcompressor",
    ("llmcompressor", "compressed-tensors", "transformers", "torch"),
)
AUTOAWQ = Tool("autoawq", "AutoAWQ", "awq", ("autoawq", "transformers", "torch"))


def interpreter(tool: Tool, given: str | None) -> str:
    """The one that is given, that of the tool's own environment, else ours if it has the tool.

    Where there is none: the path at which scripts/setup would make it.
    """
    own = REPOSITORY / f".venv-{tool.name}" / "bin" / "python"
    if given is not None:
        return given
    if not own.exists() and importlib.util.find_spec(tool.module):
        return sys.executable
    return str(own)


def versions(tool: Tool, python: str) -> Mapping[str, str]:
    """Of the tool's packages. Raises BuildError where it is not installed."""
    try:
        done = subprocess.run(
            [python, "-c", VERSIONS, *tool.packages], capture_output=True, text=True, check=True
        )
        found: dict[str, str] = json.loads(done.stdout)
    except (OSError, subprocess.CalledProcessError, ValueError):
        found = {}
    if tool.packages[0] not in found:
        raise BuildError(
            f"{tool.title} is not installed ({python} has none): run scripts/setup {tool.name}, or "
            f"name the Python of an environment with {tool.packages[0]} by --python"
        )
    return found
