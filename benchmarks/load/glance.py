"""What a client process tells of itself while it runs."""

from collections.abc import Callable, Sequence
from typing import Self

from pydantic import BaseModel, ConfigDict

from benchmarks.load.request import Sent, failures
from benchmarks.results.schema import Outcome


class Glance(BaseModel):
    """How far one client process is. `window` is the number of the one that has just ended."""

    model_config = ConfigDict(frozen=True)

    window: int
    flying: int
    chunks: int
    well: int
    bad: int

    @classmethod
    def at(cls, window: int, requests: Sequence[Sent]) -> Self:
        return cls(
            window=window,
            flying=sum(sent.ended == 0 for sent in requests),
            chunks=sum(len(sent.stamps) for sent in requests),
            well=sum(sent.outcome is Outcome.OK for sent in requests),
            bad=failures(requests),
        )


Told = Callable[[Glance], None]
"""Called at the end of each window."""
