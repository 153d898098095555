"""The running generations by request id, so that others can end them."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from common.errors import ServiceError


class Generation:
    """The work of one HTTP request; `error` is set when something else has ended it."""

    __slots__ = ("_work", "ended", "error")

    def __init__(self, work: "asyncio.Task[None]") -> None:
        self._work = work
        self.error: ServiceError | None = None
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def end(self, error: ServiceError) -> None:
        """Cancel the work; its client gets `error`."""
        if self.error is None and not self._work.done():
            self.error = error
            self._work.cancel()
            self.ended.set_result(None)


class Generations:
    """All running generations; a client may use one request id for several of them at once."""

    def __init__(self) -> None:
        self._by_id: defaultdict[str, set[Generation]] = defaultdict(set)
        self._idle = asyncio.Event()
        self._idle.set()

    @contextmanager
    def register(self, request_id: str, work: "asyncio.Task[None]") -> Iterator[Generation]:
        """Let others end the work during the block."""
        generation = Generation(work)
        self._by_id[request_id].add(generation)
        self._idle.clear()
        try:
            yield generation
        finally:
            same = self._by_id[request_id]
            same.discard(generation)
            if not same:
                del self._by_id[request_id]
            if not self._by_id:
                self._idle.set()

    def end(self, request_id: str, error: ServiceError) -> int:
        """End the generations of that id with `error`. Returns how many there were."""
        generations = list(self._by_id.get(request_id, ()))
        for generation in generations:
            generation.end(error)
        return len(generations)

    def end_all(self, error: ServiceError) -> None:
        for request_id in list(self._by_id):
            self.end(request_id, error)

    async def idle(self) -> None:
        """Return when no generation is running."""
        await self._idle.wait()
