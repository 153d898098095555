"""A directory with an engine that TensorRT-LLM compiled: what it can do, and whether it runs here.

Made by `trtllm-build`: rank0.engine (one file per GPU) and config.json. Our own builder adds
build.json, which names the GPU that it was compiled on: TensorRT compiles for one architecture.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import StartError
from common.files import read_json
from common.models.model import Model
from common.settings import Settings
from services._compiled.builds import (
    Kind,
    Record,
    check_capability,
    check_release,
    directory_of,
    read_record,
)

KIND = Kind(
    name="tensorrt_llm",
    title="TensorRT engine",
    engine="triton",
    builder="build_scripts.trtllm",
    tool="tensorrt_llm",
    release="1.2.1",
    parts=3,
    gpus="tensor_parallel_size",
)
COMMAND = f"python -m {KIND.builder}"
ALGORITHMS = {
    "int4_awq": "W4A16_AWQ",
    "w4a8_awq": "W4A8_AWQ",
    "int8_sq": "W8A8_SQ_PER_CHANNEL",
    "int8_wo": "W8A16",
    "int4_wo": "W4A16",
    "nvfp4": "NVFP4",
}
"""The schemes whose names in an engine's config are not our own in capitals
(tensorrt_llm/quantization/quantize_by_modelopt.py)."""


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """The limits that were compiled into the engine. Lengths are in tokens."""

    path: Path
    version: str
    """The release of TensorRT-LLM."""
    dtype: str
    quantization: str
    """TensorRT-LLM's name of the scheme, "none" for plain weights."""
    vocab_size: int
    tp_size: int
    world_size: int
    max_seq_len: int
    max_batch_size: int
    paged_context_fmha: bool
    """Needed for chunked prefill and for reuse of the KV cache."""
    record: Record

    @property
    def vocab_size_padded(self) -> int:
        """The logits of each token, rounded up to as many on each GPU."""
        return -(-self.vocab_size // self.world_size) * self.world_size


def open_engine(settings: Settings) -> EngineConfig:
    """Opens what `engine_dir` means: see services/_compiled/builds.py. Raises StartError."""
    return check_engine_dir(directory_of(settings, KIND), KIND.command(settings))


def check_engine_dir(path: Path, command: str = COMMAND) -> EngineConfig:
    """Raises StartError unless `path` holds a complete compiled engine; `command` makes one."""
    if not path.is_dir():
        raise _missing(f"there is no directory {path}", command)
    if not (path / "config.json").is_file():
        raise _missing(f"{path} has no config.json", command)
    values = read_json(path / "config.json")
    try:
        config = _engine_config(path, values)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"{path / 'config.json'} is not that of an engine ({error})"
        raise _missing(reason, command) from None
    for rank in range(config.world_size):
        if not (path / f"rank{rank}.engine").is_file():
            raise _missing(f"{path} has no rank{rank}.engine", command)
    return config


def _engine_config(path: Path, values: dict[str, Any]) -> EngineConfig:
    """Raises KeyError, TypeError, ValueError or AttributeError for another kind of config."""
    pretrained, build = values["pretrained_config"], values["build_config"]
    mapping = pretrained.get("mapping") or {}
    return EngineConfig(
        path=path,
        version=str(values.get("version") or "unknown"),
        dtype=str(pretrained.get("dtype") or "auto"),
        quantization=str((pretrained.get("quantization") or {}).get("quant_algo") or "none"),
        vocab_size=int(pretrained["vocab_size"]),
        tp_size=int(mapping.get("tp_size", 1)),
        world_size=int(mapping.get("world_size", 1)),
        max_seq_len=int(build["max_seq_len"]),
        max_batch_size=int(build["max_batch_size"]),
        paged_context_fmha=bool((build.get("plugin_config") or {}).get("use_paged_context_fmha")),
        record=read_record(path),
    )


def _missing(what: str, command: str) -> StartError:
    return StartError(f"setting 'engine_dir': {what}; compile an engine with: {command}")


def check_gpu(config: EngineConfig) -> None:
    """Raises StartError, naming both, when the engine is for another GPU or of another release.

    An engine without build.json is left to TensorRT's own check, while it loads.
    """
    check_release(KIND, config.path, config.record)
    check_capability(f"the engine in {config.path}", config.record)


def check_settings(config: EngineConfig, settings: Settings) -> None:
    """Raises StartError for a setting that the engine was not compiled for."""
    where = f"the engine in {config.path} was compiled for"
    _check_scheme(config, settings)
    if settings.tensor_parallel_size != config.tp_size:
        raise StartError(
            f"setting 'tensor_parallel_size': {settings.tensor_parallel_size}, but {where} "
            f"{config.tp_size}; allowed is {config.tp_size}"
        )
    _check_length(config, settings.max_model_len or 0)
    if "max_concurrency" in settings.changed and settings.max_concurrency > config.max_batch_size:
        raise StartError(
            f"setting 'max_concurrency': {settings.max_concurrency}, but {where} "
            f"{config.max_batch_size} sequences at once; allowed is at most that"
        )


def _check_scheme(config: EngineConfig, settings: Settings) -> None:
    if KIND.asked(settings) is None:
        return
    asked = KIND.schemes(settings)
    algorithms = {ALGORITHMS.get(name, name).lower() for name in asked}
    if config.record.scheme in asked or config.quantization.lower() in algorithms:
        return
    raise StartError(
        f"setting 'quantization': {settings.quantization!r}, but the engine in {config.path} has "
        f"{config.record.scheme or config.quantization!r}; allowed is that, or 'auto'"
    )


def check_model(config: EngineConfig, model: Model) -> None:
    """Raises StartError for a model whose tokens, or whose context, the engine does not have."""
    _check_length(config, model.max_model_len)
    vocab_size = model.vocab_size or config.vocab_size
    if vocab_size != config.vocab_size:
        raise StartError(
            f"setting 'engine_dir': the engine in {config.path} has a vocabulary of "
            f"{config.vocab_size} tokens and the model {model.path} one of {vocab_size}; "
            "compile an engine from that model, or set 'model' to the one it was compiled from"
        )


def _check_length(config: EngineConfig, tokens: int) -> None:
    if tokens > config.max_seq_len:
        raise StartError(
            f"setting 'max_model_len': {tokens} tokens, but the engine in {config.path} was "
            f"compiled for {config.max_seq_len}; allowed is at most that"
        )
