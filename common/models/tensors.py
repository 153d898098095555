"""The tensors of a model: names, shapes and number formats, without their numbers."""

import math
import re
from collections import Counter
from collections.abc import Iterable
from typing import Literal, NamedTuple

BYTES = {
    "float64": 8,
    "int64": 8,
    "uint64": 8,
    "float32": 4,
    "int32": 4,
    "uint32": 4,
    "bfloat16": 2,
    "float16": 2,
    "int16": 2,
    "uint16": 2,
    "float8_e4m3": 1,
    "float8_e5m2": 1,
    "float8_e8m0": 1,
    "int8": 1,
    "uint8": 1,
    "bool": 1,
}
FLOATS = ("float64", "float32", "bfloat16", "float16")
"""Plain numbers, which an engine loads in the number format that it computes in."""
Kind = Literal["embedding", "head", "linear", "other"]
EMBEDDING = re.compile(r"(embed_tokens|tok_embeddings|word_embeddings|wte|wpe|embed_in)\.weight$")
HEAD = re.compile(r"(^|\.)(lm_head|embed_out)\.weight$|^output\.weight$")
ROUTER = re.compile(
    r"(mlp|block_sparse_moe|feed_forward|moe)\.(gate|router)\.|shared_expert_gate\."
)
NOT_LANGUAGE = re.compile(r"(^|\.)(vision\w*|visual|multi_modal_projector|audio\w*|mm_\w+)\.")


class Tensor(NamedTuple):
    """One tensor. A matrix has its outputs first, then its inputs, as in a checkpoint; experts may
    come before both."""

    name: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def size(self) -> int:
        """Its bytes in the checkpoint."""
        return self.elements * BYTES[self.dtype]

    @property
    def kind(self) -> Kind:
        """What a quantizer takes it for: all matrices of the language model but routers are
        "linear"."""
        if EMBEDDING.search(self.name):
            return "embedding"
        if HEAD.search(self.name):
            return "head"
        matrix = len(self.shape) in (2, 3) and self.dtype in FLOATS
        named = self.name.endswith(".weight") or ".experts." in self.name
        if matrix and named and not (ROUTER.search(self.name) or NOT_LANGUAGE.search(self.name)):
            return "linear"
        return "other"


def size(tensors: Iterable[Tensor]) -> int:
    """Returns the bytes of all of them."""
    return sum(tensor.size for tensor in tensors)


def loaded_size(tensor: Tensor, dtype: str) -> int:
    """Returns its bytes once an engine that computes in `dtype` has loaded it."""
    return tensor.elements * BYTES[dtype if tensor.dtype in FLOATS else tensor.dtype]


def main_float(tensors: Iterable[Tensor]) -> str | None:
    """Returns the plain number format that most of the numbers have, None where none has one."""
    counts: Counter[str] = Counter()
    for tensor in tensors:
        if tensor.dtype in FLOATS:
            counts[tensor.dtype] += tensor.elements
    return max(counts, key=counts.__getitem__, default=None)
