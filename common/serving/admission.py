"""Limits on the sequences in the engine and in a first-come queue; beyond them all is refused."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from common.errors import Overloaded, QueueTimeout


class Admission:
    """Counts sequences, not requests: each answer to a request takes a slot of the engine."""

    def __init__(self, max_concurrency: int, max_queue: int, queue_timeout: float) -> None:
        self._max_concurrency = max_concurrency
        self._max_queue = max_queue
        self._queue_timeout = queue_timeout
        self._queue: deque[asyncio.Event] = deque()
        self.running = 0

    @property
    def waiting(self) -> int:
        return len(self._queue)

    def check_room(self, sequences: int) -> None:
        """Raises Overloaded unless as many of them as can ever run at once may run or wait now."""
        free = 0 if self._queue else self._max_concurrency - self.running
        needed = min(sequences, self._max_concurrency)
        if needed > free and needed - free > self._max_queue - self.waiting:
            raise Overloaded(
                f"{self.running} sequences are running and {self.waiting} are waiting; "
                f"at most {self._max_concurrency} may run and {self._max_queue} may wait"
            )

    @asynccontextmanager
    async def slot(self, *, patient: bool = False) -> AsyncIterator[None]:
        """Hold a slot of the engine during the block, first come, first served.

        Raises QueueTimeout after waiting too long, unless `patient`.
        """
        if self._queue or self.running >= self._max_concurrency:
            await self._wait(None if patient else self._queue_timeout)
        else:
            self.running += 1
        try:
            yield
        finally:
            self.running -= 1
            self._admit()

    async def _wait(self, limit: float | None) -> None:
        turn = asyncio.Event()
        self._queue.append(turn)
        try:
            async with asyncio.timeout(limit):
                await turn.wait()
        except TimeoutError:
            self._leave(turn)
            raise QueueTimeout(f"no place in the engine within {limit:g} seconds") from None
        except BaseException:
            self._leave(turn)
            raise

    def _leave(self, turn: asyncio.Event) -> None:
        """Give up waiting; a slot that was granted in the same instant goes to the next."""
        if turn.is_set():
            self.running -= 1
        else:
            self._queue.remove(turn)
        self._admit()

    def _admit(self) -> None:
        while self._queue and self.running < self._max_concurrency:
            self.running += 1
            self._queue.popleft().set()
