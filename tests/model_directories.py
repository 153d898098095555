"""Model directories made from the demo model's."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common.models.model import DEMO_MODEL

EXTRA = "<|extra|>"
"""The first token behind the demo model's own 768."""


def demo_copy(folder: Path, **config: Any) -> Path:
    """Returns a copy of the demo model; None takes a field of its config away."""
    shutil.copytree(DEMO_MODEL, folder)
    change_json(folder / "config.json", config)
    return folder


def change_json(file: Path, values: dict[str, Any]) -> None:
    """Sets fields of a JSON object; None takes one away."""
    written = {**json.loads(file.read_text("utf-8")), **values}
    kept = {name: value for name, value in written.items() if value is not None}
    file.write_text(json.dumps(kept), "utf-8")


def add_tokens(folder: Path, contents: Sequence[str] = (EXTRA,)) -> Path:
    """Gives the tokenizer special tokens with the ids from 768 on, and the model none."""
    file = folder / "tokenizer.json"
    tokens = json.loads(file.read_text("utf-8"))["added_tokens"]
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    for token_id, content in enumerate(contents, 768):
        tokens.append({"id": token_id, "content": content, "special": True, **flags})
    change_json(file, {"added_tokens": tokens})
    return folder
