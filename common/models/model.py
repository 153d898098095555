"""A model's files on disk and what the service has to know from them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from common.errors import StartError
from common.files import read_json
from common.settings import Settings

DEMO_MODEL = Path(__file__).parents[1] / "demo_model"
WEIGHTS = "*.safetensors"
DOWNLOADED = ["*.json", WEIGHTS, "*.model", "*.jinja", "*.txt", "*.tiktoken", "*.py"]
OLD_WEIGHTS = ["*.bin"]
"""Fetched only where there are none in safetensors: many repositories have both."""


@dataclass(frozen=True)
class Model:
    """A model directory in Hugging Face layout, with the limits that apply to this service."""

    path: Path
    served_name: str
    max_model_len: int

    @cached_property
    def config(self) -> dict[str, Any]:
        return read_json(self.path / "config.json")

    @cached_property
    def generation_config(self) -> dict[str, Any]:
        """Empty where the model has none."""
        file = self.path / "generation_config.json"
        return read_json(file) if file.exists() else {}

    @cached_property
    def end_token_ids(self) -> frozenset[int]:
        """The ids that end an answer, from generation_config.json, else from config.json.

        Those that the model lacks are left out: it cannot generate them.
        """
        ids = self.generation_config.get("eos_token_id")
        if ids is None:
            ids = text_config(self.config).get("eos_token_id")
        named = frozenset([ids] if isinstance(ids, int) else ids or [])
        if self.vocab_size is None:
            return named
        return frozenset(token_id for token_id in named if 0 <= token_id < self.vocab_size)

    @cached_property
    def vocab_size(self) -> int | None:
        """How many token ids the model has an embedding for, None where the config names none."""
        for config in (text_config(self.config), self.config):
            size = config.get("vocab_size")
            if isinstance(size, int) and size > 0:
                return size
        return None

    @cached_property
    def dtype(self) -> str:
        """The checkpoint's own number format, such as "bfloat16"."""
        config = text_config(self.config)
        return str(config.get("dtype") or config.get("torch_dtype") or "float32")

    @cached_property
    def quantization(self) -> str:
        """The checkpoint's quantization method, "none" for plain weights."""
        config = self.config.get("quantization_config") or {}
        return str(config.get("quant_method") or "none")


def text_config(config: dict[str, Any]) -> dict[str, Any]:
    """The language model's part of a config that may be multimodal."""
    nested = config.get("text_config")
    return nested if isinstance(nested, dict) else config


def local_directory(settings: Settings) -> Path | None:
    """The model's directory when it is on this machine, None for a hub id.

    Raises StartError for a path that does not exist.
    """
    if settings.model is None:
        return DEMO_MODEL
    path = Path(settings.model).expanduser()
    if path.is_dir():
        return path.resolve()
    looks_like_path = settings.model.startswith((".", "/", "~")) or settings.model.count("/") != 1
    if looks_like_path or path.exists():
        raise StartError(
            f"setting 'model': no directory {settings.model!r}; "
            "allowed is a model directory or a hub id such as 'org/name'"
        )
    return None


def open_model(settings: Settings, path: Path) -> Model:
    """Check the directory before anything heavy happens. Raises StartError."""
    for name, why in (("config.json", "its configuration"), ("tokenizer.json", "its tokenizer")):
        if not (path / name).is_file():
            raise StartError(
                f"setting 'model': {path} has no {name}, {why}; a directory as written by "
                "save_pretrained() of a model and a fast tokenizer is needed"
            )
    return Model(path, _served_name(settings, path), _context_length(settings, path))


def download(settings: Settings, *, weights: bool = True) -> Path:
    """Fetch the model, or all but its weights, from the hub into its cache.

    Raises StartError, one line.
    """
    from huggingface_hub import snapshot_download

    model = settings.model
    assert model is not None

    def fetch(patterns: list[str]) -> Path:
        return Path(snapshot_download(model, revision=settings.revision, allow_patterns=patterns))

    with hub_errors(model):
        if not weights:
            return fetch([pattern for pattern in DOWNLOADED if pattern != WEIGHTS])
        path = fetch(DOWNLOADED)
        return path if any(path.glob(WEIGHTS)) else fetch(DOWNLOADED + OLD_WEIGHTS)


@contextmanager
def hub_errors(model: str) -> Iterator[None]:
    """What the hub's client raises, as a StartError of one line."""
    import httpx
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
    )

    try:
        yield
    except HFValidationError as error:
        raise StartError(f"setting 'model': {model!r} is no hub id: {error}") from None
    except HfHubHTTPError as error:
        reason = str(error).strip().splitlines()[0]
        raise StartError(f"setting 'model': the hub refused {model!r}: {reason}") from None
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, httpx.TransportError):
        raise StartError(
            f"setting 'model': {model!r} is no directory here and the hub cannot be "
            "reached; give a model directory, or run where the hub is reachable"
        ) from None


def _served_name(settings: Settings, path: Path) -> str:
    """A hub id is served under that id, a directory under its own name."""
    if settings.served_model_name:
        return settings.served_model_name
    if settings.model is None:
        return "demo"
    return path.name if Path(settings.model).expanduser().is_dir() else settings.model


def _context_length(settings: Settings, path: Path) -> int:
    config = text_config(read_json(path / "config.json"))
    limit: int | None = config.get("max_position_embeddings") or config.get("n_positions")
    wanted = settings.max_model_len
    if limit is None:
        if wanted is None:
            raise StartError("setting 'max_model_len': needed, the model's config names no limit")
        return wanted
    if wanted is not None and wanted > limit:
        raise StartError(
            f"setting 'max_model_len': {wanted} is more than the model's {limit}; "
            f"allowed is at most {limit}"
        )
    return int(limit if wanted is None else wanted)
