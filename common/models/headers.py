"""What stands in a directory's safetensors files, read from their headers only."""

import json
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from common.errors import StartError
from common.files import check_fetched, read_json
from common.models.tensors import Tensor

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
MAX_HEADER = 100_000_000
"""Bytes: the format's own limit."""
DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3",
    "F8_E5M2": "float8_e5m2",
    "F8_E8M0": "float8_e8m0",
    "I64": "int64",
    "U64": "uint64",
    "I32": "int32",
    "U32": "uint32",
    "I16": "int16",
    "U16": "uint16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}


def read_directory(path: Path) -> tuple[Tensor, ...] | None:
    """Returns all tensors, None where no weight file is there.

    Raises StartError for files that are broken, or of which some are missing.
    """
    files = _weight_files(path)
    present = [file for file in files if file.is_file()]
    if not present:
        return None
    for file in files:
        if file not in present:
            raise StartError(
                f"{path / INDEX} names {file.name}, which is not there; fetch the model again"
            )
    return tuple(tensor for file in present for tensor in read_header(file))


def total_size(path: Path) -> int | None:
    """Returns the bytes of all weights by the index, None without one."""
    if not (path / INDEX).is_file():
        return None
    size = (read_json(path / INDEX).get("metadata") or {}).get("total_size")
    return int(size) if isinstance(size, int | float) else None


def _weight_files(path: Path) -> list[Path]:
    """Returns those that engines load: other copies of the weights may lie beside them."""
    if (path / INDEX).is_file():
        names = read_json(path / INDEX).get("weight_map") or {}
        return [path / name for name in sorted(set(names.values()))]
    if (path / SINGLE).is_file():
        return [path / SINGLE]
    return sorted(path.glob("*.safetensors"))


def read_header(file: Path) -> Iterator[Tensor]:
    """Yields the tensors of one file. Raises StartError for another kind of file."""
    check_fetched(file)
    try:
        with file.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            if length > MAX_HEADER:
                raise ValueError(f"a header of {length} bytes")
            header = json.loads(stream.read(length))
        _check_size(file, 8 + length, header)
        yield from tensors_of_header(header)
    except OSError as error:
        raise StartError(f"{file} cannot be read: {error.strerror}") from None
    except (ValueError, struct.error, KeyError, TypeError, AttributeError) as error:
        raise StartError(f"{file} is no safetensors file: {error}") from None


def _check_size(file: Path, start: int, header: Mapping[str, Any]) -> None:
    """Raises StartError for a file whose tensors, which begin at `start`, are not all there."""
    ends = (entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__")
    size, whole = file.stat().st_size, start + max(ends, default=0)
    if size < whole:
        raise StartError(f"{file} is cut off: {size} of {whole} bytes; fetch the model again")


def tensors_of_header(header: Mapping[str, Any]) -> Iterator[Tensor]:
    """Yields the tensors of a header. Raises KeyError for an unknown number format."""
    for name, entry in header.items():
        if name != "__metadata__":
            yield Tensor(name, tuple(entry["shape"]), DTYPES[entry["dtype"]])
