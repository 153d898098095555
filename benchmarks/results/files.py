"""Results on the disk: written whole or not at all."""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from benchmarks.results.quality import Quality
from benchmarks.results.schema import Record, Request, Result
from benchmarks.results.sweep import Sweep
from common.messages import one_line

RESULT = "result.json"
REQUESTS = "requests.jsonl"
QUALITY = "quality.json"
SWEEP = "sweep.json"
R = TypeVar("R", bound=Record)


class Unreadable(ValueError):
    """A file that is no result; the message names it and says what is wrong."""


def write(folder: Path, result: Result, requests: Iterable[Request]) -> Path:
    """Writes the requests first: where a result lies, all of it lies. Returns the result's path.
    Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / REQUESTS, "".join(f"{r.model_dump_json()}\n" for r in requests))
    return _write(folder / RESULT, result)


def read(path: Path) -> Result:
    """Returns the result of a result.json, or of the folder that holds one. Raises Unreadable."""
    return _read(path / RESULT if path.is_dir() else path, Result)


def write_quality(folder: Path, quality: Quality) -> Path:
    """Writes quality.json and returns its path. Raises OSError."""
    return _write(folder / QUALITY, quality)


def read_quality(path: Path) -> Quality:
    """Returns the scores of a quality.json, or of the folder that holds one. Raises Unreadable."""
    return _read(path / QUALITY if path.is_dir() else path, Quality)


def write_sweep(folder: Path, sweep: Sweep) -> Path:
    """Writes sweep.json and returns its path. Raises OSError."""
    return _write(folder / SWEEP, sweep)


def read_sweep(path: Path) -> Sweep:
    """Returns the sweep of a sweep.json, or of the folder that holds one. Raises Unreadable."""
    return _read(path / SWEEP if path.is_dir() else path, Sweep)


def _write(path: Path, record: Record) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, record.model_dump_json(indent=1) + "\n")
    return path


def _read(path: Path, kind: type[R]) -> R:
    try:
        return kind.model_validate_json(path.read_bytes())
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}") from None
    except ValidationError as error:
        raise Unreadable(f"{path}: {one_line(error)}") from None


def requests(folder: Path) -> Iterator[Request]:
    """Yields the requests of a run, in the order of their ends. Raises Unreadable."""
    path = folder / REQUESTS
    with path.open() as file:
        for number, line in enumerate(file, 1):
            try:
                yield Request.model_validate(json.loads(line))
            except ValueError as error:
                raise Unreadable(f"{path}, line {number}: {error}") from None


def write_whole(path: Path, text: str) -> None:
    """Writes all of it or nothing, also when the machine stops meanwhile. Raises OSError."""
    part = path.with_name(f".{path.name}.part")
    with part.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
