"""The base of engines that run in this process, with child processes that they start themselves."""

import asyncio
import logging
import os
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar

import psutil

from common.engine import EmbedRequest, Engine, GenerateRequest, Phase
from common.errors import StartError
from common.models.model import Model
from common.processes.descendants import Children
from common.processes.signals import stop_signals_blocked
from common.sampling import Sampling
from common.settings import Settings

logger = logging.getLogger("bentoml.llm.engine")

LOAD_POLL, KILL_POLL = 1.0, 0.1
"""Seconds between two checks of the thread that loads; each reads the table of all processes."""


class InProcessEngine(Engine):
    """Loads in a thread, may be stopped meanwhile, and leaves no process behind.

    A subclass gives `_load`, and where it has something to do there `_after_load` and
    `_shut_down`.
    """

    environment: ClassVar[Mapping[str, str]] = {}
    """Variables that are set before the engine is imported, unless the user has set them."""
    stop_timeout: ClassVar[float] = 3.0
    """Seconds that `stop` waits for the loading thread, and then for the killed processes."""
    warm_up = Sampling(max_tokens=2)
    """Takes the paths that compile or allocate something when they are first used."""

    def __init__(self, settings: Settings, model: Model) -> None:
        super().__init__(settings, model)
        self._children: Children | None = None
        self._loading: asyncio.Future[None] | None = None
        self._stopping = False
        self._stop: asyncio.Task[None] | None = None

    async def start(self, report: Callable[[Phase], None]) -> None:
        self._check_stopping()
        report("load")
        for name, value in self.environment.items():
            os.environ.setdefault(name, value)
        self._children = Children()
        self._loading = asyncio.ensure_future(self._load_in_thread())
        # Where `start` is cancelled, nobody asks for its exception.
        self._loading.add_done_callback(lambda loading: loading.cancelled() or loading.exception())
        while not (await asyncio.wait([self._loading], timeout=LOAD_POLL))[0]:
            self._while_loading()
        self._loading.result()
        # So that `stop` knows the children of a child that has died by then.
        self._children.now()
        self._check_stopping()
        await self._after_load()
        report("warm-up")
        await self._warm_up()

    async def stop(self) -> None:
        """Kill the children, which have stop signals blocked: nothing in them needs saving."""
        self._stopping = True
        if self._children is None:
            return
        if self._stop is None:
            self._stop = asyncio.create_task(self._end(self._children))
        await asyncio.shield(self._stop)

    async def _end(self, children: Children) -> None:
        await self._end_loading()
        children.now()
        try:
            await self._shut_down()
        except Exception:
            logger.exception("%s did not close well", self.title)
        finally:
            children.kill()
            deadline = time.monotonic() + self.stop_timeout
            await asyncio.to_thread(children.wait_until_gone, deadline)

    async def _end_loading(self) -> None:
        """Loading fails when the processes that it waits for are killed."""
        deadline = time.monotonic() + self.stop_timeout
        while self._loading and not self._loading.done() and time.monotonic() < deadline:
            self._kill_children()
            await asyncio.wait([self._loading], timeout=KILL_POLL)

    @abstractmethod
    def _load(self) -> None:
        """Import the engine and construct it, in a thread: both block. Raises StartError.

        The processes that it starts do not react to SIGTERM and SIGINT. Between its steps it calls
        `_check_stopping`.
        """

    def _child_processes(self) -> frozenset[psutil.Process]:
        """Returns every process that the engine has started and that runs now."""
        return frozenset() if self._children is None else self._children.now()

    def _kill_children(self) -> None:
        if self._children is not None:
            self._children.kill()

    def _check_stopping(self) -> None:
        """Raises StartError once `stop` has been called."""
        if self._stopping:
            raise StartError("stopped while loading")

    async def _load_in_thread(self) -> None:
        """Run `_load` in the event loop's pool, whose threads stay: some children end with one."""
        await asyncio.to_thread(self._load_with_signals_blocked)

    def _load_with_signals_blocked(self) -> None:
        with stop_signals_blocked():
            self._load()

    def _while_loading(self) -> None:
        """Called on the event loop, again and again until the thread is done."""

    async def _after_load(self) -> None:
        """Called on the event loop when `_load` has returned."""

    async def _warm_up(self) -> None:
        if self.model.task == "embed":
            await self.embed(EmbedRequest("warm-up", (0,)))
            return
        async for _ in self.generate(GenerateRequest("warm-up", (0,), self.warm_up)):
            pass

    async def _shut_down(self) -> None:
        """End the engine, as far as it was constructed, before its children are killed."""
