"""Sentences for a person: the nearest name to a misspelt one, and an error in one line."""

import difflib
from collections.abc import Iterable

MAX_LINE = 300
"""Characters of what another program says, in one of our messages."""


def closest(name: str, known: Iterable[str], likeness: float = 0.6) -> str | None:
    """Returns the known name that is most like `name`, None where none is.

    `likeness` is the least that counts, from 0 to 1 for equal names.
    """
    return next(iter(difflib.get_close_matches(name, list(known), 1, likeness)), None)


def nearest(name: str, known: Iterable[str], likeness: float = 0.6) -> str:
    """Returns the hint " (did you mean 'x'?)", or "" where no known name is like `name`."""
    match = closest(name, known, likeness)
    return "" if match is None else f" (did you mean {match!r}?)"


def one_line(error: BaseException, limit: int = MAX_LINE) -> str:
    """Returns all that an error says in one line of at most `limit` characters, else its type."""
    return " ".join(str(error).split())[:limit] or type(error).__name__


def first_line(error: BaseException, limit: int = MAX_LINE) -> str:
    """Returns the first line of what an error says, at most `limit` characters, else its type."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:limit]
