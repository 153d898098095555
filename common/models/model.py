"""The model that a service serves: its directory, its name and its context."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from common.errors import StartError
from common.models.config import ModelConfig, read_config
from common.settings import Settings

DEMO_MODEL = Path(__file__).parents[1] / "demo_model"


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """Says how an engine loads the weights, as the plan chose it.

    `scheme` is theirs once loaded, by our names, None for that of the checkpoint. `engine_name` is
    the engine's own name of it, None where the engine need not be given one.
    """

    scheme: str | None = None
    engine_name: str | None = None


@dataclass(frozen=True)
class Model:
    """A model directory in Hugging Face layout, with the limits that apply to this service."""

    path: Path
    served_name: str
    max_model_len: int
    """Tokens of prompt plus answer."""
    load: LoadPlan = LoadPlan()

    @cached_property
    def config(self) -> ModelConfig:
        return read_config(self.path)

    @property
    def generation_config(self) -> dict[str, Any]:
        """Empty where the model has none."""
        return self.config.generation

    @property
    def end_token_ids(self) -> frozenset[int]:
        """The ids that end an answer; the model cannot generate those that it lacks."""
        named, size = self.config.end_token_ids, self.vocab_size
        if size is None:
            return named
        return frozenset(token_id for token_id in named if 0 <= token_id < size)

    @property
    def dtype(self) -> str:
        """The checkpoint's own number format, such as "bfloat16"."""
        return self.config.dtype

    @property
    def vocab_size(self) -> int | None:
        """The rows of the embedding, None where the config does not say."""
        return self.config.vocab_size

    @property
    def quantization(self) -> str:
        """The scheme of the checkpoint's weights by our names, "none" for plain ones."""
        return self.config.quantization.scheme


def local_directory(settings: Settings) -> Path | None:
    """Returns the model's directory when it is on this machine, None for a hub id.

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
    """Checks the directory before anything heavy happens. Raises StartError."""
    for name, why in (("config.json", "its configuration"), ("tokenizer.json", "its tokenizer")):
        if not (path / name).is_file():
            raise StartError(
                f"setting 'model': {path} has no {name}, {why}; a directory as written by "
                "save_pretrained() of a model and a fast tokenizer is needed"
            )
    return Model(
        path, _served_name(settings, path), _context_length(settings, path), _unplanned(settings)
    )


def _unplanned(settings: Settings) -> LoadPlan:
    """Returns what the user asks for, which holds until there is a plan."""
    asked = settings.quantization
    if asked in (None, "auto"):
        return LoadPlan()
    return LoadPlan(asked, None if asked == "none" else asked)


def _served_name(settings: Settings, path: Path) -> str:
    """Returns the hub id, or a directory's own name, where the settings give none."""
    if settings.served_model_name:
        return settings.served_model_name
    if settings.model is None:
        return "demo"
    return path.name if Path(settings.model).expanduser().is_dir() else settings.model


def _context_length(settings: Settings, path: Path) -> int:
    limit, asked = read_config(path).context_length, settings.max_model_len
    if limit is None:
        if asked is None:
            raise StartError("setting 'max_model_len': needed, the model's config names no limit")
        return asked
    if asked is not None and asked > limit:
        raise StartError(
            f"setting 'max_model_len': {asked} is more than the model's {limit}; "
            f"allowed is at most {limit}"
        )
    return limit if asked is None else asked
