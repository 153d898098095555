"""How often, and how soon, a dead server is started again."""

from dataclasses import dataclass


@dataclass
class Restarts:
    """Allows at most `limit` restarts in a row, each after twice the wait of the last, in seconds.

    A server that served for more than `window` seconds begins anew.
    """

    limit: int = 3
    window: float = 600.0
    first_wait: float = 0.5
    _used: int = 0

    def next_wait(self, served: float = 0.0) -> float | None:
        """Returns how many seconds to wait before the next start, None when there is none.

        `served` is for how many seconds the server that has ended did serve.
        """
        if served > self.window:
            self._used = 0
        if self._used >= self.limit:
            return None
        self._used += 1
        return self.first_wait * 2.0 ** (self._used - 1)
