"""Command lines: mistakes in one line, results in a table."""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

WRONG = 2
"""The exit status, as argparse's own."""
INTERRUPTED = 130
"""The exit status after Ctrl-C, as a shell tells it."""


class Parser(argparse.ArgumentParser):
    """Takes no abbreviations: an option that is added later must not change a command's meaning."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        self.exit(WRONG, f"error: {message}\n")


def text_table(rows: Sequence[Sequence[str]]) -> str:
    """Returns the rows as lines, with columns as wide as they need to be."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        for cells in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def exit_status(
    work: Callable[[], int | None], *errors: type[Exception], interrupted: str = "interrupted"
) -> int:
    """Returns the exit status of a command that does `work`, which may return one of its own.

    One of `errors`, an OSError or Ctrl-C becomes one line on stderr.
    """
    try:
        return work() or 0
    except errors as error:
        line, status = f"error: {error}", 1
    except OSError as error:
        name = "" if error.filename is None else f": {error.filename}"
        line, status = f"error: {error.strerror or error}{name}", 1
    except KeyboardInterrupt:
        line, status = interrupted, INTERRUPTED
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
    return status
