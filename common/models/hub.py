"""Models of the Hugging Face hub: their files are fetched, or looked at where they are."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from common.errors import StartError
from common.messages import first_line
from common.models.config import CONFIG, read_config
from common.models.facts import ModelFacts
from common.models.headers import DTYPES
from common.models.quantization import MODELOPT
from common.models.tensors import Tensor
from common.settings import Settings

WEIGHTS = "*.safetensors"
DOWNLOADED = ["*.json", WEIGHTS, "*.model", "*.jinja", "*.txt", "*.tiktoken", "*.py"]
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
def hub_errors(model: str) -> Iterator[None]:
    """Raises a StartError of one line for what the hub's client raises."""
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
        reason = first_line(error)
        raise StartError(f"setting 'model': the hub refused {model!r}: {reason}") from None
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, httpx.TransportError):
        raise StartError(
            f"setting 'model': {model!r} is no directory here and the hub cannot be "
            "reached; give a model directory, or run where the hub is reachable"
        ) from None


def is_cached(model: str, revision: str | None) -> bool:
    """Returns whether the model, or at least its config, was fetched before."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        return isinstance(try_to_load_from_cache(model, CONFIG, revision=revision), str)
    except HFValidationError:
        return False


def facts_of_hub(model: str, revision: str | None) -> ModelFacts:
    """Reads the model's configuration and the headers of its weights, which stay on the hub.

    Raises StartError, one line.
    """
    from huggingface_hub import get_safetensors_metadata, hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        LocalEntryNotFoundError,
        NotASafetensorsRepoError,
        SafetensorsParsingError,
    )

    with hub_errors(model):
        try:
            directory = Path(hf_hub_download(model, CONFIG, revision=revision)).parent
        except LocalEntryNotFoundError:
            raise
        except EntryNotFoundError:
            raise StartError(f"setting 'model': {model!r} has no config.json on the hub") from None
        tensors: tuple[Tensor, ...] | None = None
        with suppress(NotASafetensorsRepoError, SafetensorsParsingError):
            metadata = get_safetensors_metadata(model, revision=revision)
            tensors = tuple(
                Tensor(name, tuple(info.shape), DTYPES[info.dtype])
                for part in metadata.files_metadata.values()
                for name, info in part.tensors.items()
            )
        config = read_config(directory)
        if config.quantization.scheme == "none":
            with suppress(EntryNotFoundError):
                hf_hub_download(model, MODELOPT, revision=revision)
                config = read_config(directory)
    return ModelFacts(model, config, tensors)
