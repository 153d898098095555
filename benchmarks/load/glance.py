"""What a client process tells of itself while it runs."""

from collections.abc import Callable, Sequence

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


class Watch:
    """Counts `requests`, a list that grows, without a look at those that have ended before."""

    def __init__(self, requests: Sequence[Sent]) -> None:
        self._requests = requests
        self._seen = self._chunks = self._well = self._bad = 0
        self._open: list[Sent] = []

    def glance(self, window: int) -> Glance:
        fresh = self._requests[self._seen :]
        self._seen += len(fresh)
        looked = [*self._open, *fresh]
        self._open = [sent for sent in looked if not sent.ended]
        ended = [sent for sent in looked if sent.ended]
        self._chunks += sum(len(sent.stamps) for sent in ended)
        self._well += sum(sent.outcome is Outcome.OK for sent in ended)
        self._bad += failures(ended)
        return Glance(
            window=window,
            flying=len(self._open),
            chunks=self._chunks + sum(len(sent.stamps) for sent in self._open),
            well=self._well,
            bad=self._bad,
        )


Told = Callable[[Glance], None]
"""Called at the end of each window."""
