"""What quantized weights, and the numbers of a quantized KV cache, weigh: from formats.toml."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from common.models.errors import NotUnderstood
from common.models.tensors import BYTES, Tensor, loaded_size

FILE = Path(__file__).with_name("formats.toml")
WORD = 32
"""Bits."""


@dataclass(frozen=True, slots=True)
class Format:
    """A row of formats.toml, which says what each field means."""

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
        """Returns the bytes of a quantized matrix of a model that is loaded in `dtype`."""
        *experts, outs, ins = tensor.shape
        groups = -(-ins // group) if group else 1
        size = outs * self._row_size(ins, group, groups)
        if self.scale != "none":
            number = BYTES[dtype if self.scale == "model" else self.scale]
            size += -(-outs // self.block) * groups * number
        if self.zeros and scheme not in self.symmetric:
            size += -(-outs // (WORD // self.bits)) * groups * WORD // 8
        if self.order:
            size += ins * BYTES["int32"]
        copies = 1
        for count in experts:
            copies *= count
        return copies * (size + self.extra)

    def _row_size(self, ins: int, group: int, groups: int) -> int:
        """Returns the bytes of the weights of one row, where each group begins a new word."""
        if not self.words:
            return -(-ins * self.bits // 8)
        per_word = WORD // self.bits
        words = groups * -(-group // per_word) if group else -(-ins // per_word)
        return words * WORD // 8

    def quantized(self, tensor: Tensor) -> bool:
        return tensor.kind == "linear" or tensor.kind in self.quantizes


@cache
def formats() -> dict[str, Format]:
    """Returns them by name."""
    return {row["name"]: Format(**row) for row in _rows("format")}


@cache
def _rows(table: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = tomllib.loads(FILE.read_text("utf-8"))[table]
    return rows


@dataclass(frozen=True, slots=True)
class CacheFormat:
    """The numbers of a quantized KV cache. `extra` are bytes for each head of keys, and of values,
    of a token."""

    name: str
    bits: int
    source: str
    extra: int = 0


@cache
def cache_formats() -> dict[str, CacheFormat]:
    """Returns them by name."""
    return {row["name"]: CacheFormat(**row) for row in _rows("kv_cache")}


def format_named(name: str) -> Format:
    """Returns a row of formats.toml. Raises NotUnderstood for a name that is not there."""
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
    """Returns the bytes of a model's plain `tensors` in a format, as it loads in `dtype`.

    Raises NotUnderstood for an unknown format, and for a scheme that it does not hold.
    """
    row = format_named(form)
    if scheme not in row.schemes:
        raise NotUnderstood(f"the format {form!r} holds no {scheme!r} weights")
    plain = dtype if row.plain == "model" else row.plain
    group = row.group if group_size is None else group_size
    total = 0
    for tensor in tensors:
        if tied and tensor.kind == "head":
            continue
        if row.bits < 16 and row.quantized(tensor):
            total += row.size(tensor, scheme, dtype, group)
        else:
            total += loaded_size(tensor, plain)
    return total
