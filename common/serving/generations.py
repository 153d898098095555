"""The running generations by request id, so that others can end them."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from common.errors import ServiceError


class Generation:
    """The work of one HTTP request; `error` is set when something else has ended it."""

    __slots__ = ("error", "task")

    def __init__(self) -> None:
        self.error: ServiceError | None = None
        self.task: asyncio.Task[object] | None = asyncio.current_task()

    def end(self, error: ServiceError) -> None:
        """Cancel the work; its client gets `error`."""
        if self.error is None and self.task is not None:
            self.error = error
            self.task.cancel()


class Generations:
    """All running generations; a client may use one request id for several of them at once."""

    def __init__(self) -> None:
        self._by_id: defaultdict[str, set[Generation]] = defaultdict(set)
        self._idle = asyncio.Event()
        self._idle.set()

    @contextmanager
    def register(self, request_id: str) -> Iterator[Generation]:
        generation = Generation()
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
