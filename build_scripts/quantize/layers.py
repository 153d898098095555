"""The shapes of a model's weights, from the headers of its safetensors files."""

import json
import re
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from build_scripts.builder import BuildError
from build_scripts.quantize.schemes import HEAD, ROUTERS

EMBEDDINGS = re.compile(r"embed|^wte$|^wpe$|norm")
LENGTH = struct.Struct("<Q")


class Layer(NamedTuple):
    """A matrix of which there is one in each block, the block's number left out of its name."""

    name: str
    rows: int
    columns: int


def linear_layers(model: Path) -> list[Layer]:
    """What is quantized: all matrices but embeddings, head and routers. Empty without weights.

    Raises BuildError for a file that is no safetensors file.
    """
    found = {
        Layer(re.sub(r"\.\d+\.", ".*.", name.removesuffix(".weight")), *shape)
        for file in sorted(model.glob("*.safetensors"))
        for name, shape in _shapes(file)
        if len(shape) == 2 and _is_linear(name)
    }
    return sorted(found)


def _is_linear(name: str) -> bool:
    layer, _, part = name.rpartition(".")
    last = layer.rpartition(".")[2]
    return part == "weight" and last not in (HEAD, *ROUTERS) and not EMBEDDINGS.search(last)


def _shapes(file: Path) -> Iterator[tuple[str, list[int]]]:
    try:
        with file.open("rb") as stream:
            (length,) = LENGTH.unpack(stream.read(LENGTH.size))
            header: Mapping[str, Mapping[str, list[int]]] = json.loads(stream.read(length))
    except (struct.error, ValueError, OverflowError, MemoryError):
        raise BuildError(f"{file} is no safetensors file, or only a part of one") from None
    yield from ((name, t["shape"]) for name, t in header.items() if name != "__metadata__")
