"""How long each phase of the start takes."""

import time
from collections.abc import Mapping


class StartPhases:
    """The seconds that each phase of the start takes; `start` comes before the first named one."""

    def __init__(self, before: float = 0.0) -> None:
        """`before` are seconds that passed earlier; they count as `start` too."""
        self.current = "start"
        self._since = time.monotonic() - before
        self._done: dict[str, float] = {}
        self._finished = False

    def enter(self, name: str) -> None:
        """Start a phase; one that is entered twice adds up."""
        if name != self.current and not self._finished:
            self._close()
            self.current = name

    def finish(self) -> None:
        """End the last phase: the service is ready."""
        if not self._finished:
            self._close()
            self._finished = True

    @property
    def running(self) -> float:
        """Returns the seconds of the current phase, 0 when all are done."""
        return 0.0 if self._finished else time.monotonic() - self._since

    @property
    def seconds(self) -> Mapping[str, float]:
        """Returns the seconds by phase, in their order, of the current one so far."""
        if self._finished:
            return self._done
        return {**self._done, self.current: self._done.get(self.current, 0.0) + self.running}

    @property
    def total(self) -> float:
        return sum(self.seconds.values())

    def describe(self) -> str:
        """Returns the phases that are done: `start 1.2 s, load 8.0 s, warm-up 0.4 s`."""
        return ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self._done.items())

    def _close(self) -> None:
        now = time.monotonic()
        self._done[self.current] = self._done.get(self.current, 0.0) + now - self._since
        self._since = now
