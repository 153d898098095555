"""Model directories made from the demo model's."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common.models.model import DEMO_MODEL

EXTRA = "<|extra|>"
"""The first token behind the demo model's own 768."""
NORMALIZED = ("Transformer", "Pooling", "Normalize")
"""What sentence-transformers does in most models."""
LAST = 767
"""The demo model's last id."""


def demo_copy(folder: Path, **config: Any) -> Path:
    """Returns a copy of the demo model; None takes a field of its config away."""
    shutil.copytree(DEMO_MODEL, folder, dirs_exist_ok=True)
    change_json(folder / "config.json", config)
    return folder


def model_flags(folder: Path, **config: Any) -> tuple[str, str]:
    """Returns the flag of a builder for a copy of the demo model with another config."""
    return ("--model", str(demo_copy(folder / "model", **config)))


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


def forget_last_token(folder: Path) -> Path:
    """Takes the tokenizer's token 767 away, so that only the model has this id."""
    file = folder / "tokenizer.json"
    written = json.loads(file.read_text("utf-8"))
    model = written["model"]
    vocabulary = {text: i for text, i in model["vocab"].items() if i != LAST}
    merges = [pair for pair in model["merges"] if "".join(pair) in vocabulary]
    # The library counts added tokens on from the number of entries, unless they are entries.
    vocabulary |= {token["content"]: token["id"] for token in written["added_tokens"]}
    change_json(file, {"model": {**model, "vocab": vocabulary, "merges": merges}})
    return folder


def embedding_model(
    folder: Path, pooling: str = "mean_tokens", modules: Sequence[str] = NORMALIZED, **config: Any
) -> Path:
    """Returns a copy of the demo model with the files of sentence-transformers, and so embeds."""
    demo_copy(folder, **config)
    listed = [
        {"idx": index, "path": f"{index}_{name}", "type": f"sentence_transformers.models.{name}"}
        for index, name in enumerate(modules)
    ]
    (folder / "modules.json").write_text(json.dumps(listed))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({f"pooling_mode_{pooling}": True}))
    return folder
