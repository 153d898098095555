"""The adapters of the settings: from directories, or from the hub, whose files are fetched."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from common.errors import StartError
from common.models.adapters import ADAPTER_CONFIG, ADAPTER_WEIGHTS, AdapterCheck
from common.models.headers import read_directory
from common.models.hub import hub_errors
from common.models.model import Model, named_directory
from common.settings import Settings


def adapter_check(settings: Settings, model: Model, gaps: Mapping[str, str]) -> AdapterCheck:
    """Returns what says which adapters of this model an engine takes that has these gaps."""
    return AdapterCheck(read_directory(model.path), settings.max_adapter_rank, gaps)


def check_adapters(settings: Settings, model: Model, gaps: Mapping[str, str]) -> None:
    """Checks those that are on this machine. Raises StartError, one line."""
    paths = {name: named_directory("adapters", path) for name, path in settings.adapters.items()}
    _open(settings, model, gaps, {name: path for name, path in paths.items() if path is not None})


def with_adapters(settings: Settings, model: Model, gaps: Mapping[str, str]) -> Model:
    """Returns the model with all adapters of the settings. Raises StartError, one line."""
    paths = {
        name: named_directory("adapters", path) or fetch_adapter(path)
        for name, path in settings.adapters.items()
    }
    return _open(settings, model, gaps, paths)


def _open(
    settings: Settings, model: Model, gaps: Mapping[str, str], paths: Mapping[str, Path]
) -> Model:
    if not paths:
        return model
    check, adapters = adapter_check(settings, model, gaps), []
    for number, (name, path) in enumerate(paths.items(), 1):
        if name in ("default", model.served_name):
            raise StartError(f"setting 'adapters': {name!r} is the name of the model itself")
        try:
            adapters.append(check.open(name, path, number))
        except StartError as error:
            raise StartError(f"setting 'adapters': {name!r}: {error}") from None
    return replace(model, adapters=tuple(adapters))


def fetch_adapter(name: str) -> Path:
    """Returns the directory of an adapter of the hub. Raises StartError, one line."""
    from huggingface_hub import snapshot_download

    with hub_errors(name, "adapters"):
        return Path(snapshot_download(name, allow_patterns=[ADAPTER_CONFIG, ADAPTER_WEIGHTS]))
