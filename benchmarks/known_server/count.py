"""What the server knows of its own requests."""

from dataclasses import dataclass, field
from typing import Any

from benchmarks.known_server.behaviour import Fate


@dataclass
class Count:
    """Stamps are those of time.monotonic(), which client and server share on one machine."""

    fates: dict[Fate, int] = field(default_factory=lambda: dict.fromkeys(Fate, 0))
    arrived: list[float] = field(default_factory=list)
    first_tokens: list[float] = field(default_factory=list)
    sent: list[tuple[float, int]] = field(default_factory=list)
    """(when, tokens) of each chunk."""

    def told(self) -> dict[str, Any]:
        return {
            "fates": self.fates,
            "tokens": sum(tokens for _, tokens in self.sent),
            "arrived": self.arrived,
            "first_tokens": self.first_tokens,
            "sent": self.sent,
        }
