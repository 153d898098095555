"""Notices that TensorRT-LLM has died, and tells every generation that waits for it.

It tells of a failure in its background only to whoever gets the next token or asks for a new
generation: all others would wait for ever.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Iterable
from typing import Any

import psutil

from common.errors import EngineDead
from common.processes.descendants import is_alive

INTERVAL = 0.25
"""Seconds between two looks."""
RANK = "mpi4py.futures"
"""In the command line of a process that runs the model, on one GPU."""


def ranks(processes: Iterable[psutil.Process]) -> frozenset[psutil.Process]:
    """Those without which nothing is generated; MPI has others."""
    return frozenset(process for process in processes if _is_rank(process))


def _is_rank(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return any(RANK in part for part in process.cmdline())
    return False


def why_dead(llm: Any, ranks: Collection[psutil.Process]) -> str | None:
    """None while it lives. Cheap: nothing is asked of another process."""
    executor = getattr(llm, "_executor", None)
    if executor is None or executor.is_shutdown():
        return "TensorRT-LLM has shut down"
    errors = getattr(executor, "_error_queue", None)
    if errors is not None and not errors.empty():
        return "TensorRT-LLM failed in the background"
    if any(future.done() for future in getattr(executor, "mpi_futures", ())):
        return "TensorRT-LLM's executor has ended"
    if not all(map(is_alive, ranks)):
        return "a process of TensorRT-LLM's has died"
    return None


class Watch:
    """For one engine, from when it is loaded."""

    def __init__(self, llm: Any, ranks: Collection[psutil.Process]) -> None:
        self._llm = llm
        self._ranks = ranks
        self._waiting: set[asyncio.Timeout] = set()
        self._reason: str | None = None
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.Handle = self._loop.call_soon(self._tick)

    def look(self) -> str | None:
        """Why the engine is dead, None while it lives; death is final."""
        if self._reason is None:
            self._reason = why_dead(self._llm, self._ranks)
        return self._reason

    def check(self) -> None:
        """Raises EngineDead."""
        reason = self.look()
        if reason is not None:
            raise EngineDead(reason)

    async def next(self, results: AsyncIterator[Any]) -> None:
        """Wait for the next result. Raises EngineDead soon after the engine has died, and at once
        to a reader who did not wait when that was told."""
        if self._reason is not None:
            raise EngineDead(self._reason)
        try:
            async with asyncio.timeout(None) as limit:
                self._waiting.add(limit)
                try:
                    await anext(results)
                finally:
                    self._waiting.discard(limit)
        except TimeoutError:
            raise EngineDead(self._reason or "TensorRT-LLM was stopped") from None

    def close(self) -> None:
        """Stop looking; whoever still waits is told."""
        self._timer.cancel()
        self._tell()

    def _tick(self) -> None:
        if self.look() is None:
            self._timer = self._loop.call_later(INTERVAL, self._tick)
        else:
            self._tell()

    def _tell(self) -> None:
        now = self._loop.time()
        for limit in self._waiting:
            limit.reschedule(now)
