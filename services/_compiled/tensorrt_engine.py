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
from services._compiled.builds import Kind, Record, directory_of, read_record
from services._compiled.checks import (
    check_capability,
    check_gpus,
    check_length,
    check_release,
    check_scheme,
    check_vocabulary,
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
        raise KIND.missing(f"there is no directory {path}", command)
    if not (path / "config.json").is_file():
        raise KIND.missing(f"{path} has no config.json", command)
    values = read_json(path / "config.json")
    try:
        config = _engine_config(path, values)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"{path / 'config.json'} is not that of an engine ({error})"
        raise KIND.missing(reason, command) from None
    for rank in range(config.world_size):
        if not (path / f"rank{rank}.engine").is_file():
            raise KIND.missing(f"{path} has no rank{rank}.engine", command)
    KIND.check_whole(path, config.record, command)
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


def check_gpu(config: EngineConfig) -> None:
    """Raises StartError, naming both, when the engine is for another GPU or of another release.

    An engine without build.json is left to TensorRT's own check, while it loads.
    """
    check_release(KIND, config.path, config.record)
    check_capability(f"the engine in {config.path}", config.record)


def check_settings(config: EngineConfig, settings: Settings) -> None:
    """Raises StartError for a setting that the engine was not compiled for."""
    what = f"the engine in {config.path}"
    asked = KIND.schemes(settings)
    algorithms = {ALGORITHMS.get(name, name).lower() for name in asked}
    check_scheme(
        what,
        settings,
        config.record.scheme or config.quantization,
        fits=KIND.asked(settings) is None
        or config.record.scheme in asked
        or config.quantization.lower() in algorithms,
    )
    check_gpus(what, settings, config.tp_size)
    check_length(what, settings.max_model_len or 0, config.max_seq_len)
    if "max_concurrency" in settings.changed and settings.max_concurrency > config.max_batch_size:
        raise StartError(
            f"setting 'max_concurrency': {settings.max_concurrency}, but {what} was compiled for "
            f"{config.max_batch_size} sequences at once; allowed is at most that"
        )


def check_model(config: EngineConfig, model: Model) -> None:
    """Raises StartError for a model whose tokens, or whose context, the engine does not have."""
    what = f"the engine in {config.path}"
    check_length(what, model.max_model_len, config.max_seq_len)
    check_vocabulary(what, model, config.vocab_size)
