"""How fast the places of a full engine become free."""

import math
import time
from collections import deque
from collections.abc import Callable

REMEMBERED = 64
"""Ends of answers from which the speed is taken: it follows a load that changes."""
MAX_WAIT = 60
"""Seconds: whoever is sent away for longer would not come back to a queue that has got short."""


class Pace:
    """Notes ends of answers, not tokens, and only while all places are taken.

    Its time stands still while a place is free. What was measured is forgotten after a pause that
    was longer than the measure.
    """

    def __init__(self, places: int = 1, clock: Callable[[], float] = time.monotonic) -> None:
        """`places` is how many there are."""
        self._clock = clock
        self._places = places
        self._ends = 0
        self._times: deque[float] = deque(maxlen=REMEMBERED + 1)
        self._begun = self._pauses = 0.0
        self._paused_at: float | None = clock()

    def begin(self) -> None:
        """All places are taken, if they were not before."""
        if self._paused_at is not None:
            self._forget_old()
            self._pauses += self._clock() - self._paused_at
            self._paused_at = None
        if not self._times:
            self._begun = self._now()
            self._times.append(self._begun)

    def count(self) -> None:
        """A place became free, and was taken again at once."""
        self.begin()
        self._end()

    def stop(self) -> None:
        """A place is free."""
        if self._paused_at is None:
            self._end()
            self._paused_at = self._clock()

    def wait(self, places: int) -> float:
        """Returns in how many seconds so many places become free.

        Answers that began together end together: until as many have ended as there are places,
        all of these are taken to need as long as has passed.
        """
        self._forget_old()
        if not self._times:
            return 0.0
        if self._ends < self._places:
            return places * (self._now() - self._begun) / self._places
        return places * (self._now() - self._times[0]) / (len(self._times) - 1)

    def seconds_for(self, places: int) -> int:
        """Returns the same in whole seconds, from 1 to MAX_WAIT, for those that are sent away."""
        return min(MAX_WAIT, max(1, math.ceil(self.wait(places))))

    def _end(self) -> None:
        self._ends += 1
        self._times.append(self._now())

    def _now(self) -> float:
        """Returns the time without the pauses."""
        return (self._clock() if self._paused_at is None else self._paused_at) - self._pauses

    def _forget_old(self) -> None:
        if self._paused_at is None or not self._times:
            return
        if self._clock() - self._paused_at > self._now() - self._times[0]:
            self._times.clear()
            self._ends = 0
