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


def one_line(error: BaseException | str, limit: int = MAX_LINE) -> str:
    """Returns what `error` says, on one line of at most `limit` characters.

    The rejected value, which pydantic and others append, is left out: it may be of a prompt. An
    exception without words is named by its type.
    """
    text = error if isinstance(error, str) else _message(error).strip() or type(error).__name__
    return " ".join(text.split())[:limit]


def first_line(error: BaseException, limit: int = MAX_LINE) -> str:
    """Returns the first line of what an error says, at most `limit` characters, else its type."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:limit]


def _message(error: BaseException) -> str:
    details = getattr(error, "errors", None)
    if callable(details):
        first = details()[0]
        return ": ".join(filter(None, (".".join(map(str, first["loc"])), first["msg"])))
    return next((each for each in error.args[:1] if isinstance(each, str)), str(error))
