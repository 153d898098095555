"""Model directories with headers of weights and no weights."""

import json
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SIZES = {"F32": 4, "I32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "I8": 1, "U8": 1}
Entries = Mapping[str, tuple[str, tuple[int, ...]]]


def write_header(file: Path, tensors: Entries) -> None:
    """A safetensors file whose tensors are a hole that takes no room on the disk."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    place = 0
    for name, (dtype, shape) in tensors.items():
        length = SIZES[dtype]
        for size in shape:
            length *= size
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [place, place + length]}
        place += length
    text = json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text)
    os.truncate(file, file.stat().st_size + place)


def write_model(folder: Path, config: Mapping[str, Any], tensors: Entries | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    if tensors is not None:
        write_header(folder / "model.safetensors", tensors)
    return folder
