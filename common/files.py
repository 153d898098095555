"""Files that a user names, read with errors of one line."""

import json
from pathlib import Path
from typing import Any

from common.errors import StartError


def read_text(file: Path) -> str:
    """Raises StartError for a file that is missing, not readable or not UTF-8."""
    try:
        return file.read_text("utf-8")
    except OSError as error:
        raise StartError(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise StartError(f"{file} is not UTF-8 text") from None


def read_json(file: Path) -> dict[str, Any]:
    """Raises StartError unless the file holds a JSON object."""
    try:
        value = json.loads(read_text(file))
    except (ValueError, RecursionError) as error:
        raise StartError(f"{file} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise StartError(f"{file} is not a JSON object")
    return value
