"""Results on the disk: written whole or not at all."""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import ValidationError

from benchmarks.results.schema import Request, Result

RESULT = "result.json"
REQUESTS = "requests.jsonl"


class Unreadable(ValueError):
    """A file that is no result; the message names it and says what is wrong."""


def write(folder: Path, result: Result, requests: Iterable[Request]) -> Path:
    """Writes the requests first: where a result lies, all of it lies. Returns the result's path.
    Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / REQUESTS, "".join(f"{r.model_dump_json()}\n" for r in requests))
    path = folder / RESULT
    write_whole(path, result.model_dump_json(indent=1) + "\n")
    return path


def read(path: Path) -> Result:
    """Returns the result of a result.json, or of the folder that holds one. Raises Unreadable."""
    path = path / RESULT if path.is_dir() else path
    try:
        return Result.model_validate_json(path.read_bytes())
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise Unreadable(f"{path}: {where}: {first['msg']}") from None


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
