"""Command lines whose mistakes are one line."""

import argparse
from typing import Any, NoReturn

WRONG = 2
"""The exit status, as argparse's own."""


class Parser(argparse.ArgumentParser):
    """Takes no abbreviations: an option that is added later must not change a command's meaning."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        self.exit(WRONG, f"error: {message}\n")
