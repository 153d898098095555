"""At most so many sequences in the engine, then a bounded first-come queue, then refusal."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from common.errors import Overloaded, QueueTimeout


class Admission:
    """Counts sequences, not requests: a request of n sequences takes n places at once."""

    def __init__(self, max_concurrency: int, max_queue: int, queue_timeout: float) -> None:
        self._max_concurrency = max_concurrency
        self._max_queue = max_queue
        self._queue_timeout = queue_timeout
        self._queue: deque[tuple[asyncio.Event, int]] = deque()
        self.running = 0
        self.waiting = 0

    @asynccontextmanager
    async def places(self, sequences: int) -> AsyncIterator[None]:
        """Hold the places for the body. Raises Overloaded at once, QueueTimeout after waiting."""
        wanted = min(sequences, self._max_concurrency)
        if self._queue or self.running + wanted > self._max_concurrency:
            await self._wait(wanted)
        else:
            self.running += wanted
        try:
            yield
        finally:
            self.running -= wanted
            self._admit()

    async def _wait(self, wanted: int) -> None:
        if self.waiting + wanted > self._max_queue:
            raise Overloaded(
                f"{self.running} sequences are running and {self.waiting} are waiting; "
                f"at most {self._max_queue} may wait"
            )
        turn = asyncio.Event()
        entry = (turn, wanted)
        self._queue.append(entry)
        self.waiting += wanted
        try:
            async with asyncio.timeout(self._queue_timeout):
                await turn.wait()
        except TimeoutError:
            self._leave(entry)
            raise QueueTimeout(
                f"no place in the engine within {self._queue_timeout:g} seconds"
            ) from None
        except BaseException:
            self._leave(entry)
            raise

    def _leave(self, entry: tuple[asyncio.Event, int]) -> None:
        """Give up waiting; a place that was granted in the same instant goes to the next."""
        turn, wanted = entry
        if turn.is_set():
            self.running -= wanted
        else:
            self._queue.remove(entry)
            self.waiting -= wanted
        self._admit()

    def _admit(self) -> None:
        while self._queue:
            turn, wanted = self._queue[0]
            if self.running + wanted > self._max_concurrency:
                return
            self._queue.popleft()
            self.waiting -= wanted
            self.running += wanted
            turn.set()
