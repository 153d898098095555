"""Model directories that transformers 4 and 5 both read as they are meant.

Standard library only: the tools' interpreters run it too.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

CONFIG = "config.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".gguf", ".h5", ".msgpack", ".onnx")
INDEX = ".index.json"
BUILD_RECORDS = ("build.json", "model.yaml")
"""Files of an artifact that is a source in its turn."""


def stage(source: Path, target: Path, dtype: str = "auto") -> Path:
    """Makes a copy of the directory with links for its weights, and returns it.

    `dtype` is the number format that its config then names, "auto" for the one of `source`.
    """
    target.mkdir()
    copy_texts(source, target)
    for file in source.iterdir():
        if file.suffix in WEIGHTS or file.name.endswith(INDEX):
            (target / file.name).symlink_to(file.resolve())
    if dtype != "auto":
        config = read_json(target / CONFIG)
        write_json(target / CONFIG, with_dtype(config, dtype))
    return target


def copy_texts(source: Path, target: Path) -> None:
    """Copies everything but weights: configuration, tokenizer, chat template, code, card."""
    for file in _texts(source):
        if file.name == CONFIG:
            write_json(target / CONFIG, config_for_both(read_json(file)))
        elif file.name == TOKENIZER_CONFIG:
            write_json(target / TOKENIZER_CONFIG, tokenizer_for_both(read_json(file)))
        else:
            shutil.copyfile(file, target / file.name)


def _texts(source: Path) -> Iterator[Path]:
    for file in source.iterdir():
        weights = file.suffix in WEIGHTS or file.name.endswith(INDEX)
        if file.is_file() and not weights and file.name not in BUILD_RECORDS:
            yield file


def complete(source: Path, output: Path, dtype: str | None = None) -> None:
    """Adds the rest of `source` to weights that a tool has written.

    Of the tool's configuration only the quantization is taken: what it writes besides is in the
    manner of its own transformers, and may lack what the source says. `dtype` is of the weights
    where the tool has changed it.
    """
    quantization = read_json(output / CONFIG)["quantization_config"]
    copy_texts(source, output)
    config = read_json(output / CONFIG)
    if dtype is not None:
        config = with_dtype(config, dtype)
    write_json(output / CONFIG, {**config, "quantization_config": quantization})


def config_for_both(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a config, with those nested in it, that says things as both write them.

    transformers 5 writes `dtype` and `rope_parameters`; 4 reads `torch_dtype`, `rope_theta` and
    `rope_scaling`, and takes a default without a word where they are missing.
    """
    both = {
        name: config_for_both(value) if name.endswith("_config") and _is_part(value) else value
        for name, value in config.items()
    }
    dtype = both.get("dtype") or both.get("torch_dtype")
    if dtype is not None:
        both |= {"dtype": dtype, "torch_dtype": dtype}
    rope = both.get("rope_parameters")
    if isinstance(rope, dict):
        # Gemma 3 has one for each kind of layer.
        _add_rope(both, rope.get("full_attention", rope))
        local = rope.get("sliding_attention") or {}
        if "rope_theta" in local:
            both.setdefault("rope_local_base_freq", local["rope_theta"])
    return both


def _add_rope(config: dict[str, Any], rope: Mapping[str, Any]) -> None:
    if "rope_theta" not in rope:
        return
    config.setdefault("rope_theta", rope["rope_theta"])
    scaling = {name: value for name, value in rope.items() if name != "rope_theta"}
    if scaling.get("rope_type", "default") != "default":
        config.setdefault("rope_scaling", scaling)


def _is_part(value: Any) -> bool:
    """Returns whether it is the config of a part of a multimodal model."""
    return isinstance(value, dict) and "model_type" in value


def with_dtype(config: Mapping[str, Any], dtype: str) -> dict[str, Any]:
    """Returns the config with the number format of the model and of each of its parts."""
    named = {
        name: with_dtype(value, dtype) if name.endswith("_config") and _is_part(value) else value
        for name, value in config.items()
    }
    return {**named, "dtype": dtype, "torch_dtype": dtype}


def tokenizer_for_both(config: Mapping[str, Any]) -> dict[str, Any]:
    """transformers 5 names a class that 4 does not know, and lists what 4 wants as a mapping."""
    both = dict(config)
    if both.get("tokenizer_class") == "TokenizersBackend":
        both["tokenizer_class"] = "PreTrainedTokenizerFast"
    extra = both.get("extra_special_tokens")
    if isinstance(extra, list):
        del both["extra_special_tokens"]
        both.setdefault("additional_special_tokens", extra)
    return both


def read_json(file: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return value


def write_json(file: Path, value: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", "utf-8")
