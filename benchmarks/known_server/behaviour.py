"""What the truth server does with its requests."""

from dataclasses import dataclass, fields
from enum import StrEnum


class Fate(StrEnum):
    """How a request ends. `STALL` sends its first half and then nothing more."""

    WHOLE = "whole"
    ERROR = "error"
    CUT = "cut"
    REFUSED = "refused"
    STALL = "stall"
    SILENT_END = "silent_end"


BAD = [fate for fate in Fate if fate is not Fate.WHOLE]


@dataclass(frozen=True)
class Behaviour:
    """Times in seconds. An answer has `tokens` tokens in chunks of `per_chunk`, the first after
    `ttft`, then one each `itl`. Of every `every` requests the first ends as `fate` says, counted as
    they arrive; 0 is none. `role_first` sends a chat's role at once, `usage` is sent at the end."""

    ttft: float = 0.1
    itl: float = 0.01
    tokens: int = 20
    per_chunk: int = 1
    role_first: bool = False
    usage: bool = True
    fate: Fate = Fate.ERROR
    every: int = 0
    split_bytes: bool = False

    @property
    def chunks(self) -> int:
        return -(-self.tokens // self.per_chunk)

    def fate_of(self, number: int) -> Fate:
        """Of the request that arrived as the `number`th, from 0 on."""
        return self.fate if self.every and number % self.every == 0 else Fate.WHOLE


def names() -> list[str]:
    return [each.name for each in fields(Behaviour)]
