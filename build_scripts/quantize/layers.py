"""The shapes of the matrices that are quantized."""

import re
from typing import NamedTuple

from build_scripts.builder import BuildError, Source
from common.errors import StartError
from common.models.headers import read_directory


class Layer(NamedTuple):
    """A matrix of which there is one in each block, the block's number left out of its name."""

    name: str
    rows: int
    columns: int


def linear_layers(source: Source) -> list[Layer]:
    """Returns all matrices but embeddings, head and routers; none without weights.

    Raises BuildError for a file that is no safetensors file.
    """
    try:
        tensors = read_directory(source.path) or ()
    except StartError as error:
        raise BuildError(str(error)) from None
    layers = {
        Layer(re.sub(r"\.\d+\.", ".*.", tensor.name.removesuffix(".weight")), *tensor.shape)
        for tensor in tensors
        if tensor.kind == "linear" and len(tensor.shape) == 2
    }
    return sorted(layers)
