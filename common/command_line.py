"""Command lines: mistakes in one line, results in a table."""

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

WRONG = 2
"""The exit status, as argparse's own."""


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
