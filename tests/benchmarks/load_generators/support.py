"""The double of aiperf, as a program."""

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
OPTIONS = HERE / "aiperf-0.13.0-options.txt"
"""All that `aiperf profile --help` of 0.13.0 lists."""


@dataclass
class Double:
    folder: Path

    @property
    def program(self) -> Path:
        return self.folder / "aiperf"

    @property
    def seen(self) -> dict[str, Any]:
        """Returns its arguments as `words`, its prompts as `inputs`, and the `system` prompt."""
        seen: dict[str, Any] = json.loads((self.folder / "saw").read_text())
        return seen

    def option(self, name: str) -> str:
        words = self.seen["words"]
        return str(words[words.index(name) + 1])


def double(folder: Path, *, does: str = "work", version: str = "0.13.0") -> Double:
    """Returns a stand-in that ends as `does` says: work, fail, or wait for Ctrl-C."""
    stand_in = Double(folder)
    source = (HERE / "double.py").read_text()
    stand_in.program.write_text(f"#!{sys.executable}\n{source}")
    stand_in.program.chmod(0o755)
    (folder / "python").symlink_to(sys.executable)
    (folder / "does").write_text(does)
    (folder / "version").write_text(version)
    shutil.copy(OPTIONS, folder / "options")
    return stand_in
