"""The watch over TensorRT-LLM: every generation that waits learns of its death.

TensorRT-LLM itself reports a failure in its background only to whoever gets the next token or asks
for a new generation: all others would wait for ever.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Iterable
from typing import Any

import psutil

from common.errors import EngineDead, StartError
from common.processes.descendants import is_alive
from common.processes.exits import exit_of

INTERVAL = 0.25
"""Seconds between two checks."""
RANK = "mpi4py.futures"
"""In the command line of a process that runs the model, on one GPU."""


def ranks(processes: Iterable[psutil.Process]) -> frozenset[psutil.Process]:
    """Returns those of `processes` without which nothing is generated; MPI has others.

    Raises StartError where there is none: the engine could then die unseen.
    """
    running = frozenset(process for process in processes if _is_rank(process))
    if not running:
        raise StartError(
            f"TensorRT-LLM runs its model in no process of this service that {RANK} names, so its "
            "death would not be seen; start it without the engine argument orchestrator_type, "
            "TLLM_WORKER_USE_SINGLE_PROCESS and trtllm-llmapi-launch"
        )
    return running


def _is_rank(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return any(RANK in part for part in process.cmdline())
    return False


def why_dead(llm: Any, ranks: Collection[psutil.Process]) -> str | None:
    """Returns None while it lives. Cheap: no other process is asked."""
    executor = getattr(llm, "_executor", None)
    if executor is None or executor.is_shutdown():
        return "TensorRT-LLM has shut down"
    errors = getattr(executor, "_error_queue", None)
    if errors is not None and not errors.empty():
        return "TensorRT-LLM failed in the background"
    if any(future.done() for future in getattr(executor, "mpi_futures", ())):
        return "TensorRT-LLM's executor has ended"
    dead = next((rank for rank in ranks if not is_alive(rank)), None)
    return None if dead is None else f"a process of TensorRT-LLM's has died{exit_of(dead.pid)}"


class DeathWatcher:
    """Checks one engine from when it is loaded, and ends the waits of its generations."""

    def __init__(self, llm: Any, ranks: Collection[psutil.Process]) -> None:
        self._llm = llm
        self._ranks = ranks
        self._waiting: set[asyncio.Timeout] = set()
        self._reason: str | None = None
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.Handle = self._loop.call_soon(self._tick)

    def why_dead(self) -> str | None:
        """Returns the reason, None while the engine lives; death is final."""
        if self._reason is None:
            self._reason = why_dead(self._llm, self._ranks)
        return self._reason

    def check(self) -> None:
        """Raises EngineDead."""
        reason = self.why_dead()
        if reason is not None:
            raise EngineDead(reason)

    async def next(self, results: AsyncIterator[Any]) -> None:
        """Wait for the next result. Raises EngineDead soon after the engine has died."""
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
        """Stop checking, and end all waits."""
        self._timer.cancel()
        self._end_waits()

    def _tick(self) -> None:
        if self.why_dead() is None:
            self._timer = self._loop.call_later(INTERVAL, self._tick)
        else:
            self._end_waits()

    def _end_waits(self) -> None:
        now = self._loop.time()
        for limit in self._waiting:
            limit.reschedule(now)
