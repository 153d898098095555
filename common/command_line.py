"""Command lines whose mistakes are one line."""

import argparse
from typing import Any, NoReturn

WRONG = 2
"""The exit status, as argparse's own."""


class Parser(argparse.ArgumentParser):
    """No abbreviations: an option that is added later must not change what a command means."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        self.exit(WRONG, f"error: {message}\n")
