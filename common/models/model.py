"""The model that a service serves: its directory, its name and its context."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from common.errors import StartError
from common.models.adapters import Adapter
from common.models.config import ModelConfig, read_config
from common.models.embedding import Embedding, read_embedding
from common.models.headers import read_directory
from common.models.tensors import main_float
from common.settings import Settings

Task = Literal["generate", "embed"]
DEMO_MODEL = Path(__file__).parents[1] / "demo_model"


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """Says how an engine loads the weights, as the plan chose it.

    `scheme` is theirs once loaded, by our names, None for that of the checkpoint. `engine_name` is
    the engine's own name of it, None where the engine need not be given one. `dtype` is the number
    format that the engine computes in, "auto" where only the engine knows. Each device holds
    `weight_bytes` of them, and `kv_bytes_per_token` for each token; None where that is not known.
    """

    scheme: str | None = None
    engine_name: str | None = None
    dtype: str = "auto"
    weight_bytes: int | None = field(default=None, compare=False)
    kv_bytes_per_token: int | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Model:
    """A model directory in Hugging Face layout, with the limits that apply to this service."""

    path: Path
    served_name: str
    max_model_len: int
    """Tokens of prompt plus answer, or of a text that becomes a vector."""
    load: LoadPlan = LoadPlan()
    chat_end_token_ids: frozenset[int] = frozenset()
    """The ids that end an answer by the tokenizer and the chat template."""
    vectors: Embedding | None = None
    """How it makes vectors, None where the service generates."""
    adapters: tuple[Adapter, ...] = ()
    """The LoRA adapters that the service starts with."""

    @cached_property
    def config(self) -> ModelConfig:
        return read_config(self.path)

    @property
    def task(self) -> Task:
        """What the service does with it."""
        return "generate" if self.vectors is None else "embed"

    @property
    def embedding(self) -> Embedding:
        """How it makes vectors, where the service embeds."""
        assert self.vectors is not None
        return self.vectors

    @property
    def generation_config(self) -> dict[str, Any]:
        """Empty where the model has none."""
        return self.config.generation

    @cached_property
    def end_token_ids(self) -> frozenset[int]:
        """The ids that end an answer, of all of the model's files; the model cannot generate those
        that it lacks."""
        named, size = self.config.end_token_ids | self.chat_end_token_ids, self.vocab_size
        if size is None:
            return named
        return frozenset(token_id for token_id in named if 0 <= token_id < size)

    @cached_property
    def dtype(self) -> str:
        """The checkpoint's own number format, such as "bfloat16"."""
        return self.config.dtype or main_float(read_directory(self.path) or ()) or "float32"

    @property
    def vocab_size(self) -> int | None:
        """The rows of the embedding, None where the config does not say."""
        return self.config.vocab_size

    @property
    def quantization(self) -> str:
        """The scheme of the checkpoint's weights by our names, "none" for plain ones."""
        return self.config.quantization.title


def local_directory(settings: Settings) -> Path | None:
    """Returns the model's directory when it is on this machine, None for a hub id.

    Raises StartError for a path that does not exist.
    """
    return DEMO_MODEL if settings.model is None else named_directory("model", settings.model)


def named_directory(setting: str, name: str) -> Path | None:
    """Returns the directory of that name, None for a hub id.

    Raises StartError for a path that does not exist.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        return path.resolve()
    looks_like_path = name.startswith((".", "/", "~")) or name.count("/") != 1
    if looks_like_path or path.exists():
        raise StartError(
            f"setting {setting!r}: no directory {name!r}; "
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
    config = read_config(path)
    embeds = config.embeds if settings.task == "auto" else settings.task == "embed"
    vectors = read_embedding(path, config) if embeds else None
    return Model(
        path,
        _served_name(settings, path),
        _context_length(settings, config, None if vectors is None else vectors.max_tokens),
        _unplanned(settings),
        vectors=vectors,
    )


def _unplanned(settings: Settings) -> LoadPlan:
    """Returns what the user asks for, which holds until there is a plan."""
    asked = settings.quantization
    if asked in (None, "auto"):
        return LoadPlan(dtype=settings.dtype)
    return LoadPlan(asked, None if asked == "none" else asked, settings.dtype)


def _served_name(settings: Settings, path: Path) -> str:
    """Returns the hub id, or a directory's own name, where the settings give none."""
    if settings.served_model_name:
        return settings.served_model_name
    if settings.model is None:
        return "demo"
    return path.name if Path(settings.model).expanduser().is_dir() else settings.model


def _context_length(settings: Settings, config: ModelConfig, trained: int | None) -> int:
    """Returns what is asked for, or the model's own; `trained` is less, or None."""
    asked, limit, longest = settings.max_model_len, config.context_length, config.longest_context
    if trained is not None:
        limit = longest = min(trained, limit or trained)
    if limit is None or longest is None:
        if asked is None:
            raise StartError("setting 'max_model_len': needed, the model's config names no limit")
        return asked
    if asked is not None and asked > longest:
        raise StartError(
            f"setting 'max_model_len': {asked} is more than the model's {longest}; "
            f"allowed is at most {longest}"
        )
    return limit if asked is None else asked
