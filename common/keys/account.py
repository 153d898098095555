"""The account that a key belongs to: its limits in a minute, and what it has used."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from common.errors import RateLimited

MINUTE = 60.0
UNITS = ("requests", "tokens")
Clock = Callable[[], float]


@dataclass(frozen=True)
class KeyLimits:
    """None is no limit."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


class Allowance:
    """Refills evenly, up to all of `limit` in a minute.

    What is taken beyond it is a debt, which later minutes pay first.
    """

    __slots__ = ("_clock", "_left", "_since", "limit")

    def __init__(self, limit: int, clock: Clock) -> None:
        self.limit = limit
        self._clock = clock
        self._left = float(limit)
        self._since = clock()

    @property
    def left(self) -> float:
        """Returns what may be taken now; less than 0 is a debt."""
        now = self._clock()
        self._left = min(self.limit, self._left + (now - self._since) * self.limit / MINUTE)
        self._since = now
        return self._left

    def take(self, amount: int) -> None:
        self._left = self.left - amount

    def seconds_until(self, amount: int) -> float:
        """Returns the seconds until as much is left, 0 if it is."""
        return round(max(0.0, (amount - self.left) * MINUTE / self.limit), 6)


class Account:
    """Counts the requests and tokens of one name, since the start of the service."""

    def __init__(self, name: str, limits: KeyLimits, clock: Clock = time.monotonic) -> None:
        self.name = name
        self.accepted = self.refused = 0
        self.prompt_tokens = self.generated_tokens = 0
        self._clock = clock
        self._allowances: dict[str, Allowance] = {}
        self.change(limits)

    def change(self, limits: KeyLimits) -> None:
        """Set other limits. An allowance whose limit stays the same goes on."""
        before, self._allowances = self._allowances, {}
        given = (limits.requests_per_minute, limits.tokens_per_minute)
        for unit, limit in zip(UNITS, given, strict=True):
            if limit is not None:
                old = before.get(unit)
                kept = old is not None and old.limit == limit
                self._allowances[unit] = old if old and kept else Allowance(limit, self._clock)

    def accept(self) -> None:
        """Count a request. Raises RateLimited if a limit is reached.

        Only its end says how many tokens a request takes, so one is enough to begin it.
        """
        waits = {unit: each.seconds_until(1) for unit, each in self._allowances.items()}
        unit = max(waits, key=waits.__getitem__, default="")
        if waits.get(unit):
            self.refused += 1
            raise RateLimited(
                f"the key of {self.name!r} has used its {self._allowances[unit].limit} {unit} per "
                "minute",
                retry_after=math.ceil(waits[unit]),
            )
        self.accepted += 1
        if "requests" in self._allowances:
            self._allowances["requests"].take(1)

    def use(self, prompt_tokens: int, generated_tokens: int) -> None:
        """Count the tokens of a request that has ended."""
        self.prompt_tokens += prompt_tokens
        self.generated_tokens += generated_tokens
        if "tokens" in self._allowances:
            self._allowances["tokens"].take(prompt_tokens + generated_tokens)

    def headers(self) -> Iterator[tuple[bytes, bytes]]:
        """Yields the headers of OpenAI's API that tell the limits and what is left of them."""
        for unit, allowance in self._allowances.items():
            values = {
                "limit": str(allowance.limit),
                "remaining": str(max(0, math.floor(allowance.left))),
                "reset": duration(allowance.seconds_until(allowance.limit)),
            }
            for what, value in values.items():
                yield f"x-ratelimit-{what}-{unit}".encode(), value.encode()


def duration(seconds: float) -> str:
    """Returns a time as OpenAI's headers have it: `20ms`, `8.64s`, `6m0s`."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    minutes, rest = divmod(math.ceil(seconds * 1000) / 1000, MINUTE)
    text = f"{rest:.3f}".rstrip("0").rstrip(".")
    return f"{minutes:.0f}m{text}s" if minutes else f"{text}s"
