"""How long each part of the start takes: told by /readyz, in the log and in the metrics."""

import time
from collections.abc import Mapping


class Phases:
    """`start` is what comes before the first named phase. All times are in seconds."""

    def __init__(self, before: float = 0.0) -> None:
        """`before` counts as `start` too: what passed before this object was made."""
        self.current = "start"
        self._since = time.monotonic() - before
        self._done: dict[str, float] = {}
        self._finished = False

    def enter(self, name: str) -> None:
        """Begin a phase; one that is entered twice adds up."""
        if name != self.current and not self._finished:
            self._close()
            self.current = name

    def finish(self) -> None:
        """The service is ready."""
        if not self._finished:
            self._close()
            self._finished = True

    @property
    def running(self) -> float:
        """Of the current phase, 0 when all are done."""
        return 0.0 if self._finished else time.monotonic() - self._since

    @property
    def seconds(self) -> Mapping[str, float]:
        """By phase, in their order, the current one so far."""
        if self._finished:
            return self._done
        return {**self._done, self.current: self._done.get(self.current, 0.0) + self.running}

    @property
    def total(self) -> float:
        return sum(self.seconds.values())

    def describe(self) -> str:
        """One line: `start 1.2 s, load 8.0 s, warm-up 0.4 s`."""
        return ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self._done.items())

    def _close(self) -> None:
        now = time.monotonic()
        self._done[self.current] = self._done.get(self.current, 0.0) + now - self._since
        self._since = now
