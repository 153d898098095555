"""A safetensors file of bfloat16 tensors as float32 arrays, without torch."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
PREFIX, DOWN = "base_model.model.", ".lora_A.weight"


def read_weights(file: Path) -> dict[str, Array]:
    """Tensors by name. Raises ValueError for a dtype other than BF16 and F32."""
    data = file.read_bytes()
    begin = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:begin])
    header.pop("__metadata__", None)
    return {name: _tensor(name, entry, data, begin) for name, entry in header.items()}


def _tensor(name: str, entry: dict[str, object], data: bytes, begin: int) -> Array:
    match entry:
        case {"dtype": "BF16", "shape": list(shape), "data_offsets": [int(start), int(end)]}:
            half = np.frombuffer(data, "<u2", (end - start) // 2, begin + start)
            # A bfloat16 is the upper half of a float32.
            return (half.astype(np.uint32) << 16).view(np.float32).reshape(shape)
        case {"dtype": "F32", "shape": list(shape), "data_offsets": [int(start), int(end)]}:
            return np.frombuffer(data, "<f4", (end - start) // 4, begin + start).reshape(shape)
    raise ValueError(
        f"{name}: {entry.get('dtype')} is no dtype that can be read; allowed are BF16, F32"
    )


def add_adapter(weights: dict[str, Array], adapter: Path) -> None:
    """Adds what a LoRA adapter changes to the weights of its model, in place."""
    config = json.loads((adapter / "adapter_config.json").read_text("utf-8"))
    scale = np.float32(config["lora_alpha"] / config["r"])
    parts = read_weights(adapter / "adapter_model.safetensors")
    for name, down in parts.items():
        if name.endswith(DOWN):
            up = parts[name.removesuffix(DOWN) + ".lora_B.weight"]
            weights[name.removeprefix(PREFIX).removesuffix(DOWN) + ".weight"] += scale * up @ down
