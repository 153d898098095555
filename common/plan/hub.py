"""What the hub tells of a model without its weights being fetched."""

from pathlib import Path

from common.errors import StartError
from common.files import read_json
from common.models.model import hub_errors
from common.plan.checkpoint import MODELOPT, quantization_config, stored
from common.plan.facts import ModelFacts
from common.plan.headers import DTYPES
from common.plan.tensors import Tensor


def is_cached(model: str, revision: str | None) -> bool:
    """Whether the model, or at least its config, was fetched before."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        return isinstance(try_to_load_from_cache(model, "config.json", revision=revision), str)
    except HFValidationError:
        return False


def facts_of_hub(model: str, revision: str | None) -> ModelFacts:
    """config.json and the headers of the weights. Raises StartError, one line."""
    from huggingface_hub import get_safetensors_metadata, hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        LocalEntryNotFoundError,
        NotASafetensorsRepoError,
        SafetensorsParsingError,
    )

    with hub_errors(model):
        try:
            file = Path(hf_hub_download(model, "config.json", revision=revision))
        except LocalEntryNotFoundError:
            raise
        except EntryNotFoundError:
            raise StartError(f"setting 'model': {model!r} has no config.json on the hub") from None
        config = read_json(file)
        try:
            metadata = get_safetensors_metadata(model, revision=revision)
        except (NotASafetensorsRepoError, SafetensorsParsingError):
            tensors = None
        else:
            tensors = tuple(
                Tensor(name, tuple(info.shape), DTYPES[info.dtype])
                for part in metadata.files_metadata.values()
                for name, info in part.tensors.items()
            )
        values = quantization_config(config)
        if not values:
            values = _modelopt(model, revision)
    return ModelFacts(model, config, stored(values), tensors)


def _modelopt(model: str, revision: str | None) -> dict[str, object]:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    try:
        file = Path(hf_hub_download(model, MODELOPT, revision=revision))
    except EntryNotFoundError:
        return {}
    return {"quant_method": "modelopt", **read_json(file)}
