"""Whether a compiled model runs here, and suits the settings and the served model.

Every function raises StartError, which names what was compiled and what is asked for. `what` names
the compiled model, such as "the engine in /models/engine".
"""

import re
from pathlib import Path

from common.errors import StartError
from common.models.gpu import visible_gpus
from common.models.model import Model
from common.settings import Settings
from services._compiled.builds import Kind, Record


def check_gpus(what: str, settings: Settings, gpus: int) -> None:
    """Raises StartError where the model is shared by another number of GPUs."""
    if settings.tensor_parallel_size != gpus:
        raise StartError(
            f"setting 'tensor_parallel_size': {settings.tensor_parallel_size}, but {what} was "
            f"compiled for {gpus}; allowed is {gpus}"
        )


def check_scheme(what: str, settings: Settings, scheme: str, *, fits: bool) -> None:
    """Raises StartError unless its `scheme` `fits` the settings."""
    if not fits:
        raise StartError(
            f"setting 'quantization': {settings.quantization!r}, but {what} has {scheme!r}; "
            "allowed is that, or 'auto'"
        )


def check_length(what: str, tokens: int, compiled: int) -> None:
    """Raises StartError for more tokens than it was compiled for."""
    if tokens > compiled:
        raise StartError(
            f"setting 'max_model_len': {tokens} tokens, but {what} was compiled for {compiled}; "
            "allowed is at most that"
        )


def check_vocabulary(what: str, model: Model, vocab_size: int) -> None:
    """Raises StartError for a model with another number of tokens."""
    if model.vocab_size not in (None, 0, vocab_size):
        raise StartError(
            f"setting 'engine_dir': {what} has a vocabulary of {vocab_size} tokens and the model "
            f"{model.path} one of {model.vocab_size}; compile that model, or set 'model' to the "
            "one that was compiled"
        )


def check_release(kind: Kind, directory: Path, record: Record) -> None:
    """Raises StartError, naming both releases, for what another one compiled."""
    version = str(record.tools.get(kind.tool, ""))
    if version[:1].isdigit() and _numbers(version, kind.parts) != _numbers(
        kind.release, kind.parts
    ):
        raise StartError(
            f"setting 'engine_dir': {directory} was compiled by {kind.tool} {version}, and this "
            f"service is for {kind.release}; compile it with that: "
            f"{record.command or f'python -m {kind.builder}'}"
        )


def _numbers(version: str, parts: int) -> list[int]:
    """Returns the first of a version's numbers: 0.20.dev5 has 0 and 20."""
    match = re.match(r"\d+(\.\d+)*", version)
    return [int(number) for number in match[0].split(".")][:parts] if match else []


def check_capability(what: str, record: Record) -> None:
    """Raises StartError, naming both architectures, when `what` is for another GPU."""
    built = record.compute_capability
    if built is None:
        return
    made_for = f"compute capability {built}" + (f" ({record.gpu})" if record.gpu else "")
    for gpu in visible_gpus(made_for):
        if gpu.compute_capability != built:
            raise StartError(
                f"setting 'engine_dir': {what} was compiled for {made_for} and this GPU has "
                f"compute capability {gpu.compute_capability} ({gpu.name}); {record.again}"
            )
