"""Models of the Hugging Face hub: their files are fetched, or looked at where they are."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from common.errors import StartError
from common.messages import first_line
from common.models.config import CONFIG, TOKENIZER_CONFIG, read_config
from common.models.facts import ModelFacts, facts_of_directory
from common.models.headers import DTYPES
from common.models.model import named_directory
from common.models.quantization import MODELOPT
from common.models.tensors import Tensor
from common.settings import Settings

WEIGHTS = "*.safetensors"
DOWNLOADED = ["*.json", WEIGHTS, "*.model", "*.jinja", "*.txt", "*.tiktoken", "*.py"]
CONNECTION_ERRORS = {"httpx": ("TransportError",), "requests": ("ConnectionError", "Timeout")}
OLD_WEIGHTS = ["*.bin"]
"""Fetched only where there are none in safetensors: many repositories have both."""


def download(settings: Settings, *, weights: bool = True) -> Path:
    """Fetches the model, or all but its weights, and returns its directory in the hub's cache.

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
def hub_errors(model: str, setting: str = "model") -> Iterator[None]:
    """Raises a StartError of one line for what the hub's client raises."""
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
    )

    try:
        yield
    except HFValidationError as error:
        raise StartError(f"setting {setting!r}: {model!r} is no hub id: {error}") from None
    except HfHubHTTPError as error:
        reason = first_line(error)
        raise StartError(f"setting {setting!r}: the hub refused {model!r}: {reason}") from None
    except Exception as error:
        offline = (LocalEntryNotFoundError, OfflineModeIsEnabled, *_connection_errors())
        if not isinstance(error, offline):
            raise
        raise StartError(
            f"setting {setting!r}: {model!r} is no directory here and the hub cannot be "
            "reached; give a model directory, or run where the hub is reachable"
        ) from None


def _connection_errors() -> tuple[type[Exception], ...]:
    """Returns what the client lets through: of httpx, and before its release 1 of requests."""
    errors: list[type[Exception]] = []
    for module, names in CONNECTION_ERRORS.items():
        with suppress(ImportError):
            library = importlib.import_module(module)
            errors += [getattr(library, name) for name in names]
    return tuple(errors)


def is_cached(model: str, revision: str | None) -> bool:
    """Returns whether the model, or at least its config, was fetched before."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        return isinstance(try_to_load_from_cache(model, CONFIG, revision=revision), str)
    except HFValidationError:
        return False


def facts_of_hub(model: str, revision: str | None, setting: str = "model") -> ModelFacts:
    """Reads the model's configuration and the headers of its weights, which stay on the hub.

    `setting` names it.

    Raises StartError, one line.
    """
    from huggingface_hub import get_safetensors_metadata, hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        LocalEntryNotFoundError,
        NotASafetensorsRepoError,
        SafetensorsParsingError,
    )

    with hub_errors(model, setting):
        try:
            directory = Path(hf_hub_download(model, CONFIG, revision=revision)).parent
        except LocalEntryNotFoundError:
            raise
        except EntryNotFoundError:
            raise StartError(
                f"setting {setting!r}: {model!r} has no config.json on the hub"
            ) from None
        tensors: tuple[Tensor, ...] | None = None
        with suppress(NotASafetensorsRepoError, SafetensorsParsingError):
            metadata = get_safetensors_metadata(model, revision=revision)
            tensors = tuple(
                Tensor(name, tuple(info.shape), DTYPES[info.dtype])
                for part in metadata.files_metadata.values()
                for name, info in part.tensors.items()
            )
        with suppress(EntryNotFoundError):
            hf_hub_download(model, TOKENIZER_CONFIG, revision=revision)
        config = read_config(directory)
        if config.quantization.scheme == "none":
            with suppress(EntryNotFoundError):
                hf_hub_download(model, MODELOPT, revision=revision)
                config = read_config(directory)
    return ModelFacts(model, config, tensors)


def draft_facts(settings: Settings) -> ModelFacts | None:
    """Returns the facts of the model that drafts tokens, None without one. Raises StartError."""
    model = None if settings.speculative is None else settings.speculative.model
    if model is None:
        return None
    path = named_directory("speculative", model)
    if path is not None:
        return facts_of_directory(path, model)
    return facts_of_hub(model, None, "speculative")
