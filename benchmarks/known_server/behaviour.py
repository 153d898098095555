"""What the known server does with its requests."""

from dataclasses import dataclass
from enum import StrEnum


class Ending(StrEnum):
    """Says how a request ends. `STALL` sends its first half and then nothing more."""

    WHOLE = "whole"
    ERROR = "error"
    CUT = "cut"
    REFUSED = "refused"
    STALL = "stall"
    SILENT_END = "silent_end"


@dataclass(frozen=True)
class Behaviour:
    """Says how each request is answered; times are in seconds.

    An answer has `tokens` tokens in chunks of `per_chunk`, the first after `ttft`, then one each
    `itl`. Of every `every` requests the first, in the order of their arrival, ends as `failure`
    says; 0 stands for none. `role_first` sends a chat's role at once, `usage` is sent at the end.
    """

    ttft: float = 0.1
    itl: float = 0.01
    tokens: int = 20
    per_chunk: int = 1
    role_first: bool = False
    usage: bool = True
    failure: Ending = Ending.ERROR
    every: int = 0
    split_bytes: bool = False

    @property
    def chunks(self) -> int:
        return -(-self.tokens // self.per_chunk)

    def ending(self, number: int) -> Ending:
        """Returns how the request ends that arrived as the `number`th, counted from 0."""
        return self.failure if self.every and number % self.every == 0 else Ending.WHOLE
