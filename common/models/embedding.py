"""How a model makes one vector of a text, by the files that sentence-transformers writes."""

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from common.errors import StartError
from common.files import read_json
from common.models.config import MODULES, ModelConfig

Pooling = Literal["mean", "cls", "last"]
POOLINGS: Mapping[str, Pooling] = {
    "mean": "mean",
    "mean_tokens": "mean",
    "cls": "cls",
    "cls_token": "cls",
    "lasttoken": "last",
}
"""Ours by the names in a pooling config, older ones behind `pooling_mode_`."""
OLD_KEY = "pooling_mode_"
LIMITS = ("sentence_bert_config.json", "sentence_roberta_config.json")
"""Files that may say `max_seq_length`, for which the model was trained."""
KNOWN_MODULES = ("Transformer", "Pooling", "Normalize")

logger = logging.getLogger("bentoml.llm.embedding")


@dataclass(frozen=True)
class Embedding:
    """`size` is the length of a vector. `dimensions` are those that it may be cut to, None where
    any up to its size is allowed, empty where it means something as a whole only.

    `max_tokens` is the longest text that the model was trained for, None where no file says it.
    """

    pooling: Pooling
    normalized: bool
    size: int
    dimensions: Collection[int] | None
    max_tokens: int | None


def read_embedding(directory: Path, config: ModelConfig) -> Embedding:
    """Raises StartError for a model whose vectors need a step that is not done here."""
    names = [_module_name(module) for module in config.modules]
    for name in names:
        if name not in KNOWN_MODULES:
            raise StartError(
                f"{directory / MODULES} has a module {name!r}, which is not applied here; allowed "
                f"are {', '.join(KNOWN_MODULES)}"
            )
    pooling, normalized = _pooling(directory, config), "Normalize" in names
    size = config.text.get("hidden_size")
    if not size:
        raise StartError(f"{directory / 'config.json'} has no hidden_size, the length of a vector")
    return Embedding(pooling, normalized, int(size), _dimensions(config), _max_tokens(directory))


def _module_name(module: Mapping[str, Any]) -> str:
    """Returns the class of a module without its package, which has moved between releases."""
    return str(module.get("type")).rpartition(".")[2]


def _pooling(directory: Path, config: ModelConfig) -> Pooling:
    """Without a file that says it, takes the mean, as sentence-transformers does."""
    folders = [m.get("path") for m in config.modules if _module_name(m) == "Pooling"]
    file = directory / str(folders[0] if folders else "1_Pooling") / "config.json"
    if not file.is_file():
        logger.warning("no file of the model says how its tokens become one vector: by their mean")
        return "mean"
    values = read_json(file)
    asked = values.get("pooling_mode") or [
        key.removeprefix(OLD_KEY)
        for key, value in values.items()
        if key.startswith(OLD_KEY) and value is True
    ]
    modes = [asked] if isinstance(asked, str) else asked
    if len(modes) != 1 or modes[0] not in POOLINGS:
        raise StartError(
            f"{file} asks for the pooling {', '.join(map(str, modes)) or 'of no kind'}; allowed "
            f"is one of {', '.join(POOLINGS)}"
        )
    return POOLINGS[modes[0]]


def _dimensions(config: ModelConfig) -> Collection[int] | None:
    """Returns what the config of a Matryoshka model says."""
    listed = config.values.get("matryoshka_dimensions")
    if listed:
        return tuple(sorted(map(int, listed)))
    return None if config.values.get("is_matryoshka") else ()


def _max_tokens(directory: Path) -> int | None:
    for file in (directory / name for name in LIMITS):
        limit = read_json(file).get("max_seq_length") if file.is_file() else None
        if isinstance(limit, int) and limit > 0:
            return limit
    return None
