"""How often, and how soon, a dead server is started again."""

import time
from collections import deque
from dataclasses import dataclass, field


@dataclass
class Restarts:
    """At most `limit` restarts within `window` seconds, each after twice the wait of the last.

    A server that ran for a whole window begins anew.
    """

    limit: int = 3
    window: float = 600.0
    first_wait: float = 0.5
    _ended: deque[float] = field(default_factory=deque)

    def next_wait(self) -> float | None:
        """Seconds to wait before the next start; None when there is none."""
        now = time.monotonic()
        while self._ended and now - self._ended[0] > self.window:
            self._ended.popleft()
        if len(self._ended) >= self.limit:
            return None
        self._ended.append(now)
        return self.first_wait * 2.0 ** (len(self._ended) - 1)
