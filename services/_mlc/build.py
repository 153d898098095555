"""A directory of MLC-LLM's build commands: what is in it, and whether it runs here.

It holds weights, mlc-chat-config.json, the tokenizer and the library lib.so. Our own builder adds
build.json, which names the GPU that the library was compiled for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import StartError
from common.files import read_json
from common.models.model import Model, local_directory, open_model
from common.settings import Settings
from services._compiled.builds import Kind, Record, directory_of, read_record
from services._compiled.checks import (
    check_capability,
    check_gpus,
    check_length,
    check_release,
    check_scheme,
    check_vocabulary,
)

CONFIG = "mlc-chat-config.json"
LIBRARY = "lib.so"
WEIGHTS = "tensor-cache.json"
TOKENIZER = "tokenizer.json"
NO_LIMIT = -1
"""A context_window_size, for a model with a sliding window or without attention."""
KIND = Kind(
    name="mlc",
    title="model compiled for MLC-LLM",
    engine="mlc",
    builder="build_scripts.mlc",
    tool="mlc_llm",
    release="0.20.0.dev0",
    parts=2,
    gpus="tensor_parallel_shards",
)


@dataclass(frozen=True, slots=True)
class Build:
    """A compiled model. Lengths are in tokens."""

    path: Path
    library: Path
    quantization: str
    vocab_size: int
    context_window_size: int
    tensor_parallel_shards: int
    max_batch_size: int | None
    record: Record


def open_build(settings: Settings) -> Build:
    """Returns the directory's build. Raises StartError, naming what is missing and a command."""
    path, command = directory_of(settings, KIND).resolve(), KIND.command(settings)
    if not path.is_dir():
        raise KIND.missing(f"there is no directory {path}", command)
    for name, what in ((CONFIG, "the configuration"), (WEIGHTS, "the weights")):
        if not (path / name).is_file():
            raise KIND.missing(f"{path} has no {name}, {what}", command)
    values = read_json(path / CONFIG)
    library = _library(settings, path, command)
    try:
        build = _build(path, library, values)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"{path / CONFIG} is not one of MLC-LLM's ({error!r})"
        raise KIND.missing(reason, command) from None
    KIND.check_whole(path, build.record, command)
    return build


def _library(settings: Settings, path: Path, command: str) -> Path:
    named = settings.engine_args.get("model_lib")
    if named is None:
        if not (path / LIBRARY).is_file():
            raise KIND.missing(f"{path} has no {LIBRARY}, the compiled library", command)
        return path / LIBRARY
    library = Path(str(named)).expanduser().resolve()
    if not library.is_file():
        raise StartError(
            f"setting 'engine_args': model_lib: there is no file {library}; "
            f"without it, {LIBRARY} in 'engine_dir' is used"
        )
    return library


def _build(path: Path, library: Path, values: Mapping[str, Any]) -> Build:
    """Raises KeyError, TypeError, ValueError or AttributeError for another kind of file."""
    batch = values["model_config"].get("max_batch_size")
    return Build(
        path=path,
        library=library,
        quantization=str(values["quantization"]),
        vocab_size=int(values["vocab_size"]),
        context_window_size=int(values["context_window_size"]),
        tensor_parallel_shards=int(values["tensor_parallel_shards"]),
        max_batch_size=None if batch is None else int(batch),
        record=read_record(path),
    )


def check_build(build: Build, settings: Settings) -> None:
    """Raises StartError for what is wrong even without the engine or a download."""
    _check_settings(build, settings)
    _check_gpu(build, settings)
    directory = local_directory(settings)
    if directory is not None:
        check_model(build, open_model(settings, directory))


def _check_settings(build: Build, settings: Settings) -> None:
    what = f"the model in {build.path}"
    fits = KIND.asked(settings) is None or build.quantization in KIND.schemes(settings)
    check_scheme(what, settings, build.quantization, fits=fits)
    check_gpus(what, settings, build.tensor_parallel_shards)


def _check_gpu(build: Build, settings: Settings) -> None:
    """A library without build.json is left to MLC-LLM's own check, while it loads."""
    check_release(KIND, build.path, build.record)
    device = str(settings.engine_args.get("device", "auto"))
    if device.startswith(("auto", "cuda")):
        check_capability(str(build.library), build.record)


def check_model(build: Build, model: Model) -> None:
    """Raises StartError for a model whose tokens, or whose context, were not compiled."""
    what = f"the model in {build.path}"
    if build.context_window_size != NO_LIMIT:
        check_length(what, model.max_model_len, build.context_window_size)
    check_vocabulary(what, model, build.vocab_size)
    copied, own = build.path / TOKENIZER, model.path / TOKENIZER
    if copied.is_file() and read_json(copied) != read_json(own):
        raise StartError(
            f"setting 'engine_dir': {copied} is not the tokenizer of the model, {own}; compile "
            "that model, or set 'model' to the one that was compiled"
        )
