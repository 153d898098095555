"""Files that a user names, read with errors of one line."""

import json
from pathlib import Path
from typing import Any

from common.errors import StartError

LFS_POINTER = b"version https://git-lfs.github.com/spec/"
"""How a file begins that stands for one in Git's large file storage."""


def check_fetched(file: Path) -> None:
    """Raises StartError for a file of which Git has fetched the pointer only."""
    try:
        with file.open("rb") as stream:
            start = stream.read(len(LFS_POINTER))
    except OSError:
        return
    if start == LFS_POINTER:
        raise StartError(f"{file} is a Git LFS pointer: run git lfs pull in its repository")


def read_text(file: Path) -> str:
    """Returns the text without a byte order mark, which some editors put before it.

    Raises StartError for a file that is missing, not readable or not UTF-8.
    """
    try:
        return file.read_text("utf-8-sig")
    except OSError as error:
        raise StartError(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise StartError(f"{file} is not UTF-8 text") from None


def read_json(file: Path) -> dict[str, Any]:
    """Raises StartError unless the file holds a JSON object."""
    value = _parsed(file)
    if not isinstance(value, dict):
        raise StartError(f"{file} is not a JSON object")
    return value


def read_array(file: Path) -> list[dict[str, Any]]:
    """Raises StartError unless the file holds a JSON array of objects."""
    value = _parsed(file)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise StartError(f"{file} is not a JSON array of objects")
    return value


def _parsed(file: Path) -> Any:
    check_fetched(file)
    try:
        return json.loads(read_text(file))
    except (ValueError, RecursionError) as error:
        raise StartError(f"{file} is not JSON: {error}") from None
