"""Progress of the tools as lines, which a log can hold, instead of bars within bars.

Has to be set before a tool is imported.
"""

import time
from typing import Any

import tqdm
import tqdm.auto
from tqdm import tqdm as Bar  # noqa: N812

INTERVAL = 10.0
"""Seconds between two lines of the same loop."""


class Lines(Bar):  # type: ignore[misc]
    """One line now and then, and one at the end of a loop that took a while or is not repeated."""

    disable: bool
    _printed = 0.0

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        now = time.monotonic()
        self._printed = self._printed or now
        if self.leave and now - self._printed >= INTERVAL:
            self._print(now)

    def close(self) -> None:
        if not self.disable and self.leave and self.n:
            self._print(time.monotonic())
        self.disable = True

    def clear(self, *args: Any, **kwargs: Any) -> None:
        """Nothing to wipe."""

    def _print(self, now: float) -> None:
        self._printed = now
        of = f"/{self.total}" if self.total else ""
        print(f"{(self.desc or 'step').rstrip(': ')}: {self.n}{of}", flush=True)


def print_lines() -> None:
    tqdm.tqdm = tqdm.auto.tqdm = Lines
