"""What the hub tells of a model without its weights being fetched."""

from pathlib import Path

from common.errors import StartError
from common.files import read_json
from common.model import hub_errors
from common.plan.checkpoint import MODELOPT, quantization_config, stored
from common.plan.facts import ModelFacts
from common.plan.headers import DTYPES
from common.plan.tensors import Tensor


def facts_of_hub(model: str, revision: str | None) -> ModelFacts:
    """config.json and the headers of the weights. Raises StartError, one line."""
    from huggingface_hub import get_safetensors_metadata, hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, NotASafetensorsRepoError

    with hub_errors(model):
        try:
            file = Path(hf_hub_download(model, "config.json", revision=revision))
        except EntryNotFoundError:
            raise StartError(f"setting 'model': {model!r} has no config.json on the hub") from None
        config = read_json(file)
        try:
            metadata = get_safetensors_metadata(model, revision=revision)
        except NotASafetensorsRepoError:
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
