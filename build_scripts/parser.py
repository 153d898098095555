"""Command lines whose mistakes are one line."""

import argparse
from typing import NoReturn

WRONG = 2


class Parser(argparse.ArgumentParser):
    """No abbreviations: an option that is added later must not change what a command means."""

    def __init__(self, **options: object) -> None:
        super().__init__(allow_abbrev=False, **options)  # type: ignore[arg-type]

    def error(self, message: str) -> NoReturn:
        self.exit(WRONG, f"error: {message}\n")
