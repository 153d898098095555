"""Directories as MLC-LLM's build commands leave them, for the double."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.conftest import MODEL
from tests.service_process import REPOSITORY

DEMO = REPOSITORY / "tests" / "doubles" / "mlc" / "demo_build"


def write_build(
    path: Path,
    *,
    model: Path = MODEL,
    config: Mapping[str, Any] | None = None,
    library: Mapping[str, Any] | None = None,
    manifest: Mapping[str, Any] | None = None,
) -> Path:
    """The demo model's build with some values changed."""
    path.mkdir(parents=True)
    for name, changes in (
        ("mlc-chat-config.json", config),
        ("lib.so", library),
        ("tensor-cache.json", {"model": str(model)}),
    ):
        values = json.loads((DEMO / name).read_text("utf-8")) | dict(changes or {})
        (path / name).write_text(json.dumps(values), "utf-8")
    if manifest is not None:
        (path / "build.json").write_text(json.dumps(manifest), "utf-8")
    return path


def model_with_grammar_end(path: Path) -> Path:
    """The demo model with one of the end tokens that MLC-LLM's grammar knows."""
    shutil.copytree(MODEL, path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        text = (path / name).read_text("utf-8")
        (path / name).write_text(text.replace("<|pad|>", "<|endoftext|>"), "utf-8")
    return path
