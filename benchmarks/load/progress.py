"""What a person sees of a run while it goes: a line for each window."""

import sys
import time

from benchmarks.load.request import NANO, Sent, failures
from benchmarks.load.spec import Spec
from benchmarks.results.schema import Outcome


class Lines:
    """On standard error. Chunks, not tokens: those are known when an answer has ended."""

    def __init__(self, spec: Spec, start: int) -> None:
        self._spec = spec
        self._start = start
        self._chunks = 0
        self._last = 0.0

    def __call__(self, number: int, requests: list[Sent]) -> None:
        now = (time.monotonic_ns() - self._start) * NANO
        chunks = sum(len(sent.stamps) for sent in requests)
        rate = (chunks - self._chunks) / max(now - self._last, 1e-9)
        self._chunks, self._last = chunks, now
        flying = sum(sent.ended == 0 for sent in requests)
        well = sum(sent.outcome is Outcome.OK for sent in requests)
        bad = failures(requests)
        failed = f", {bad} failed" if bad else ""
        print(
            f"{now:6.1f} s of {self._spec.duration:g}: {flying} in flight, {rate:,.0f} chunks/s, "
            f"{well} answered{failed}",
            file=sys.stderr,
            flush=True,
        )
