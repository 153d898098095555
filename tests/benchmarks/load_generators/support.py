"""aiperf's double, as a program."""

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
    def saw(self) -> dict[str, Any]:
        """`words` of its command line, `inputs` of its file of prompts, `system` prompt."""
        told: dict[str, Any] = json.loads((self.folder / "saw").read_text())
        return told

    def option(self, name: str) -> str:
        words = self.saw["words"]
        return str(words[words.index(name) + 1])


def double(folder: Path, *, does: str = "work", version: str = "0.13.0") -> Double:
    """`does` is work, fail or wait, which waits for Ctrl-C."""
    made = Double(folder)
    source = (HERE / "double.py").read_text()
    made.program.write_text(f"#!{sys.executable}\n{source}")
    made.program.chmod(0o755)
    (folder / "python").symlink_to(sys.executable)
    (folder / "does").write_text(does)
    (folder / "version").write_text(version)
    shutil.copy(OPTIONS, folder / "options")
    return made
