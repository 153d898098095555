"""How long the queue may get: as a rush needs, and short where more comes than can be done.

The idea is that of controlled delay (CoDel): a queue that gets empty now and then evens out a rush,
one that stands makes everybody wait and serves nobody earlier.
"""

import math
import statistics
import time
from collections import deque
from collections.abc import Callable

REMEMBERED = 64
"""First tokens from which the usual time is taken."""
SHORTEST = 0.05
"""Seconds that a standing queue may need at least, however fast first tokens come."""


class QueueLimit:
    """Holds the seconds that the queue may need by its speed.

    The queue stands once it has not been empty for the `most` seconds of a rush. It stands until it
    is empty, and either all that came meanwhile could have been done, or nobody had to be sent
    away for as long: a short queue may be empty although far too much comes.
    """

    def __init__(
        self,
        most: float = math.inf,
        standing: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`standing` is what a standing queue may need; None is as long as a first token takes."""
        self.most = most
        self._given = standing
        self._clock = clock
        self._first_tokens: deque[float] = deque(maxlen=REMEMBERED)
        self._begun: float | None = None
        self._empty = True
        self._done_at = self._refused_at = 0.0

    @property
    def seconds(self) -> float:
        short = self.short
        return self.most if short is None else short

    @property
    def short(self) -> float | None:
        """Returns the seconds of a queue that stands, None where a rush may wait."""
        if not self._stands():
            return None
        seconds = self._given
        if seconds is None and self._first_tokens:
            seconds = max(SHORTEST, statistics.median(self._first_tokens))
        return None if seconds is None or seconds >= self.most else seconds

    def _stands(self) -> bool:
        """Returns whether more comes than can be done."""
        if self._begun is None or self._clock() - self._begun < self.most:
            return False
        if self._empty and self._clock() >= min(self._done_at, self._refused_at + self.most):
            self._begun = None
        return self._begun is not None

    def note_queue(self, *, waits: bool) -> None:
        """Notes whether somebody waits now."""
        stands = self._stands()
        self._empty = not waits
        if waits and self._begun is None:
            self._begun = self._clock()
        elif not waits and not stands:
            self._begun = None

    def note_place(self, seconds: float) -> None:
        """Notes that a place was given, of which one becomes free every so many seconds."""
        if self._stands():
            now = self._clock()
            self._done_at = min(max(self._done_at, now) + seconds, now + self.most)

    def note_refusal(self, seconds: float) -> None:
        """Notes a request that was sent away, for whose places it would have waited so long."""
        self.note_place(seconds)
        self._refused_at = self._clock()

    def note_first_token(self, seconds: float) -> None:
        """Notes the time from a place in the engine to the first token."""
        self._first_tokens.append(seconds)
