"""What a person sees of a run while it goes: a line for each window."""

import sys
from collections import defaultdict
from collections.abc import Sequence
from typing import Self

from pydantic import BaseModel, ConfigDict

from benchmarks.load.request import Sent, failures
from benchmarks.load.spec import Spec
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


class Lines:
    """On standard error, when each process has told of a window. Chunks, not tokens: those are
    known when an answer has ended."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._told: defaultdict[int, list[Glance]] = defaultdict(list)
        self._chunks = 0

    def __call__(self, glance: Glance) -> None:
        told = self._told[glance.window]
        told.append(glance)
        if len(told) == self._spec.procs:
            self._show(glance.window, self._told.pop(glance.window))

    def _show(self, window: int, told: Sequence[Glance]) -> None:
        chunks = sum(one.chunks for one in told)
        rate = (chunks - self._chunks) / self._spec.window
        self._chunks = chunks
        bad = sum(one.bad for one in told)
        failed = f", {bad} failed" if bad else ""
        print(
            f"{(window + 1) * self._spec.window:6.1f} s of {self._spec.duration:g}: "
            f"{sum(one.flying for one in told)} in flight, {rate:,.0f} chunks/s, "
            f"{sum(one.well for one in told)} answered{failed}",
            file=sys.stderr,
            flush=True,
        )
