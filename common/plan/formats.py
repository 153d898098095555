"""What quantized weights weigh: from schemes.toml, tensor by tensor."""

import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from common.plan.checkpoint import Stored
from common.plan.errors import NotUnderstood, Refused
from common.plan.tensors import BYTES, Tensor, loaded_size

FILE = Path(__file__).with_name("schemes.toml")
WORD = 32
"""Bits."""


@dataclass(frozen=True, slots=True)
class Format:
    """A row of schemes.toml, which says what each field means."""

    name: str
    schemes: Sequence[str]
    bits: int
    scale: str
    source: str
    words: bool = False
    group: int = 0
    block: int = 1
    zeros: bool = False
    symmetric: Sequence[str] = ()
    divides: bool = False
    order: bool = False
    extra: int = 0
    plain: str = "model"
    quantizes: Sequence[str] = ()

    def size(self, tensor: Tensor, scheme: str, dtype: str, group: int) -> int:
        """Bytes of a quantized matrix of a model that is loaded in `dtype`."""
        *experts, outs, ins = tensor.shape
        groups = -(-ins // group) if group else 1
        found = outs * self._row(ins, group, groups)
        if self.scale != "none":
            number = BYTES[dtype if self.scale == "model" else self.scale]
            found += -(-outs // self.block) * groups * number
        if self.zeros and scheme not in self.symmetric:
            found += -(-outs // (WORD // self.bits)) * groups * WORD // 8
        if self.order:
            found += ins * BYTES["int32"]
        copies = 1
        for count in experts:
            copies *= count
        return copies * (found + self.extra)

    def _row(self, ins: int, group: int, groups: int) -> int:
        """Bytes of the weights of one row: each group begins a new word."""
        if not self.words:
            return -(-ins * self.bits // 8)
        per_word = WORD // self.bits
        words = groups * -(-group // per_word) if group else -(-ins // per_word)
        return words * WORD // 8

    def quantized(self, tensor: Tensor) -> bool:
        return tensor.kind == "linear" or tensor.kind in self.quantizes


@cache
def formats() -> dict[str, Format]:
    """By name."""
    return {row["name"]: Format(**row) for row in _rows("format")}


@cache
def _rows(table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tomllib.loads(FILE.read_text("utf-8"))[table]
    return found


@dataclass(frozen=True, slots=True)
class CacheFormat:
    """Of a quantized KV cache: `extra` are bytes for each head of keys, and of values, of a
    token."""

    name: str
    bits: int
    source: str
    extra: int = 0


@cache
def cache_formats() -> dict[str, CacheFormat]:
    """By name."""
    return {row["name"]: CacheFormat(**row) for row in _rows("kv_cache")}


def format_named(name: str) -> Format:
    """Raises NotUnderstood for one that is not in schemes.toml."""
    if name not in formats():
        raise NotUnderstood(f"the size of weights in the format {name!r} is not known")
    return formats()[name]


def predict(
    tensors: Sequence[Tensor],
    scheme: str,
    form: str,
    *,
    dtype: str,
    group_size: int | None = None,
    tied: bool = False,
) -> int:
    """Bytes of a model's plain `tensors` in a format of schemes.toml, as it loads in `dtype`.

    Raises NotUnderstood for an unknown format, and for a scheme that it does not hold.
    """
    found = format_named(form)
    if scheme not in found.schemes:
        raise NotUnderstood(f"the format {form!r} holds no {scheme!r} weights")
    plain = dtype if found.plain == "model" else found.plain
    group = found.group if group_size is None else group_size
    total = 0
    for tensor in tensors:
        if tied and tensor.kind == "head":
            continue
        if found.bits < 16 and found.quantized(tensor):
            total += found.size(tensor, scheme, dtype, group)
        else:
            total += loaded_size(tensor, plain)
    return total


def check_groups(tensors: Sequence[Tensor], form: str, gpus: int, kept: Stored) -> None:
    """Raises Refused where the inputs of a matrix are no multiple of the group size.

    Engines that split a matrix between `gpus` split the inputs of two matrices of each layer.
    """
    found = format_named(form)
    size = kept.group_size or found.group
    for tensor in filter(found.quantized, tensors):
        ins = tensor.shape[-1]
        if ins % size:
            raise Refused(
                f"groups of {size} do not divide the {ins} inputs of {tensor.name}; groups of "
                f"{math.gcd(ins, size)} would, or a scheme without groups"
            )
        if gpus > 1 and tensor.name.endswith(SPLIT_INPUTS) and (ins / gpus) % size:
            raise Refused(
                f"on {gpus} GPUs groups of {size} do not divide the {ins} / {gpus} inputs of "
                f"{tensor.name}; set tensor_parallel_size to a divisor of {ins // size}"
            )


SPLIT_INPUTS = ("o_proj.weight", "down_proj.weight", ".w2.weight")
"""Of the matrices that several GPUs split by their inputs."""
