"""What the server knows of the requests that it has answered."""

from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.known_server.behaviour import Ending


@dataclass
class ServerRecord:
    """Stamps are those of time.monotonic(), which client and server share on one machine."""

    endings: dict[Ending, int] = field(default_factory=lambda: dict.fromkeys(Ending, 0))
    arrived: list[float] = field(default_factory=list)
    first_tokens: list[float] = field(default_factory=list)
    sent: list[tuple[float, int]] = field(default_factory=list)
    """The stamp of each chunk and its tokens."""

    def as_json(self) -> dict[str, Any]:
        """Returns all fields, with the sum of the tokens that were sent."""
        return {**asdict(self), "tokens": sum(tokens for _, tokens in self.sent)}
