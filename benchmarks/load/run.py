"""What one client process does of a run, and the numbers that it hands on."""

import asyncio
import itertools
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from pydantic import BaseModel, ConfigDict

from benchmarks.load.prepare import count_tokens
from benchmarks.load.request import NANO, EndpointClient, Sent, allow_connections, open_session
from benchmarks.load.spec import Spec
from benchmarks.load.traffic import SECOND, Traffic, until
from benchmarks.load.verdict import ClientHealth, HealthMonitor
from benchmarks.prompts import Order
from benchmarks.results.schema import FAILED, Outcome, Request

INTERRUPTS = (signal.SIGINT, signal.SIGTERM)


class ProgressReport(BaseModel):
    """Says how far one client process is. `window` is the number of the one that has just ended."""

    model_config = ConfigDict(frozen=True)

    window: int
    in_flight: int
    chunks: int
    succeeded: int
    failed: int


ReportProgress = Callable[[ProgressReport], None]


class ProgressCounter:
    """Counts `requests`, a list that grows, without a look at those that have ended before."""

    def __init__(self, requests: Sequence[Sent]) -> None:
        self._requests = requests
        self._seen = self._chunks = self._succeeded = self._failed = 0
        self._open: list[Sent] = []

    def count(self, window: int) -> ProgressReport:
        """Returns the counts from the start of the run until now."""
        fresh = self._requests[self._seen :]
        self._seen += len(fresh)
        changed = [*self._open, *fresh]
        self._open = [sent for sent in changed if not sent.ended]
        ended = [sent for sent in changed if sent.ended]
        self._chunks += sum(len(sent.stamps) for sent in ended)
        self._succeeded += sum(sent.outcome is Outcome.OK for sent in ended)
        self._failed += sum(sent.outcome in FAILED for sent in ended)
        return ProgressReport(
            window=window,
            in_flight=len(self._open),
            chunks=self._chunks + sum(len(sent.stamps) for sent in self._open),
            succeeded=self._succeeded,
            failed=self._failed,
        )


class WorkerResult(BaseModel):
    """Holds what one client process measured: its requests in the order of their ends; `end` is the
    last moment of its run, in seconds from the start. Another load generator tells no health."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    requests: tuple[Request, ...]
    health: ClientHealth | None = None
    end: float
    interrupted: bool


async def run(
    spec: Spec,
    order: Order,
    *,
    start: int,
    shard: int = 0,
    shards: int = 1,
    times: Sequence[float] = (),
    report: ReportProgress | None = None,
) -> WorkerResult:
    """Sends this process's requests from `start` on, a stamp of time.monotonic_ns(), until all is
    answered or the drain is over. SIGINT ends it early, and what was measured is kept.

    `report` is called at the end of each window. `times` are those of a trace.
    """
    allow_connections()
    async with open_session() as session:
        traffic = Traffic(spec, EndpointClient(session, spec), order, start, shard, shards, times)
        await until(start)
        begin = start * NANO
        async with HealthMonitor(begin + spec.ramp, begin + spec.duration) as monitor:
            interrupted = await _send_all(traffic, report)
    end = time.monotonic_ns()
    tokens, broken_off = await _count_unless_interrupted(spec, traffic.requests)
    requests = [sent.record(start, tokens.get(i)) for i, sent in enumerate(traffic.requests)]
    return WorkerResult(
        requests=tuple(sorted(requests, key=lambda request: request.ended)),
        health=monitor.health,
        end=(end - start) * NANO,
        interrupted=interrupted or broken_off,
    )


async def _send_all(traffic: Traffic, report: ReportProgress | None) -> bool:
    """Returns whether it was interrupted."""
    spec = traffic.spec
    interrupted = asyncio.Event()
    sending = asyncio.create_task(traffic.run())
    reporting = asyncio.create_task(_report(traffic, report)) if report is not None else None

    def interrupt() -> None:
        interrupted.set()
        sending.cancel()

    with on_interrupt(interrupt):
        try:
            await asyncio.wait({sending}, timeout=spec.duration + spec.drain)
            sending.cancel()
            with suppress(asyncio.CancelledError):
                await sending
        finally:
            if reporting is not None:
                reporting.cancel()
    return interrupted.is_set()


async def _report(traffic: Traffic, report: ReportProgress) -> None:
    window = round(traffic.spec.window * SECOND)
    counter = ProgressCounter(traffic.requests)
    for number in itertools.count():
        await until(traffic.start + (number + 1) * window)
        report(counter.count(number))


async def _count_unless_interrupted(
    spec: Spec, requests: list[Sent]
) -> tuple[dict[int, int], bool]:
    """Returns tokens by index, and whether SIGINT ended the counting: then what was measured is
    kept without its count."""
    counting = asyncio.create_task(count_tokens(spec, requests))
    with on_interrupt(counting.cancel):
        try:
            return await counting, False
        except asyncio.CancelledError:
            return {}, True


@contextmanager
def on_interrupt(call: Callable[[], object]) -> Iterator[None]:
    """Calls `call` at each SIGINT and SIGTERM that comes meanwhile."""
    loop = asyncio.get_running_loop()
    for number in INTERRUPTS:
        loop.add_signal_handler(number, call)
    try:
        yield
    finally:
        for number in INTERRUPTS:
            loop.remove_signal_handler(number)
