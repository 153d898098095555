"""Random weights of models whose tensors can be told from their config."""

import json
import os
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.models.architectures import tensors_of
from common.models.config import ModelConfig
from common.models.headers import DTYPES
from common.models.tensors import Tensor
from tests.models.files import write_header

CODES = {name: code for code, name in DTYPES.items()}
Numbers = NDArray[np.float32]
SPREAD = 0.2
"""Standard deviation of the weights; with it the likeliest token is likelier than any by far."""


def write_weights(folder: Path, config: Mapping[str, Any], layout: str, dtype: str) -> None:
    """Writes one file of safetensors, two with an index, a file of PyTorch, or none."""
    if layout == "none":
        return
    text = ModelConfig(config).text
    tensors = tensors_of(text, dtype)
    if layout == "bin":
        _write_bin(folder / "pytorch_model.bin", tensors)
    elif layout == "one":
        _write_safetensors(folder / "model.safetensors", tensors)
    else:
        files = {"model-00001-of-00002.safetensors": tensors[::2]}
        files["model-00002-of-00002.safetensors"] = tensors[1::2]
        for name, part in files.items():
            _write_safetensors(folder / name, part)
        index = {
            "metadata": {"total_size": sum(tensor.size for tensor in tensors)},
            "weight_map": {t.name: name for name, part in files.items() for t in part},
        }
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def _numbers(tensor: Tensor) -> Numbers:
    """Returns ones for a norm, which are the same in every family but Gemma's."""
    if len(tensor.shape) == 1:
        return np.ones(tensor.shape, np.float32)
    generator = np.random.default_rng(zlib.crc32(tensor.name.encode()))
    return generator.normal(0, SPREAD, tensor.shape).astype(np.float32)


def _write_safetensors(file: Path, tensors: Sequence[Tensor]) -> None:
    write_header(file, {tensor.name: (CODES[tensor.dtype], tensor.shape) for tensor in tensors})
    with file.open("r+b") as stream:
        # Behind the header, where there is a hole of their size.
        stream.seek(-sum(tensor.size for tensor in tensors), os.SEEK_END)
        for tensor in tensors:
            stream.write(_bytes(_numbers(tensor), tensor.dtype))


def _bytes(numbers: Numbers, dtype: str) -> bytes:
    """bfloat16 is the upper half of float32."""
    if dtype == "bfloat16":
        return (numbers.view(np.uint32) >> 16).astype(np.uint16).tobytes()
    return numbers.astype(dtype).tobytes()


def _write_bin(file: Path, tensors: Sequence[Tensor]) -> None:
    import torch

    state = {
        tensor.name: torch.tensor(_numbers(tensor), dtype=getattr(torch, tensor.dtype))
        for tensor in tensors
    }
    torch.save(state, file)
