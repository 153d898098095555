"""One worker process: loads the model while HTTP is up, drains on a stop signal, fails clearly."""

import asyncio
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import psutil
import uvicorn

from common.engine import Engine
from common.errors import Draining, StartError
from common.http.app import App
from common.http.protocol import limit_heads
from common.http.runtime import build_runtime
from common.models.model import local_directory, open_model
from common.plan import at_start
from common.processes.signals import STOP_SIGNALS, terminate_with_parent
from common.processes.worker_guard import watch_this_process
from common.service import start_failure
from common.serving import tracing
from common.serving.generations import Generations
from common.serving.lifecycle import Lifecycle
from common.serving.systemd import notify_systemd
from common.settings import Settings

logger = logging.getLogger("bentoml.llm.server")

SignalHandler = Callable[[int, FrameType | None], Any] | int | None
GC_THRESHOLDS = (10_000, 20, 20)
"""Streams make many short-lived tuples; the default of 700 collects every few hundred tokens."""
LAST_GRACE = 3
"""Seconds for clients that do not read, after every generation is done or ended."""


def process_age() -> float:
    """Returns the seconds since this process was created: its imports belong to a cold start."""
    return max(0.0, time.time() - psutil.Process().create_time())


def http_server(handler: SignalHandler) -> uvicorn.Server | None:
    """Returns the server that installed this signal handler, None where something else did."""
    owner = getattr(handler, "__self__", None)
    return owner if isinstance(owner, uvicorn.Server) else None


class Server:
    """Ties an engine class to the HTTP application for the life of one process."""

    def __init__(self, engine: type[Engine], settings: Settings) -> None:
        self._engine_class = engine
        self._settings = settings
        self._engine: Engine | None = None
        self._generations = Generations()
        self._lifecycle = Lifecycle(settings.probe_interval, process_age())
        self._loading: asyncio.Task[None] | None = None
        self._notifying: asyncio.Task[None] | None = None
        self._draining: asyncio.Task[None] | None = None
        self._previous: dict[int, SignalHandler] = {}
        self._interrupts = 0
        self.tracer_provider = tracing.tracer_provider(settings, engine.name)
        self.app = App(settings, self._lifecycle)

    async def start(self) -> None:
        """Called once the event loop runs: load the model while HTTP is served."""
        terminate_with_parent()
        watch_this_process()
        self._take_signals()
        server = http_server(self._previous[signal.SIGTERM])
        if server is None:
            logger.warning("max_header_bytes has no effect: the HTTP server is not uvicorn's")
        else:
            limit_heads(server, self._settings.max_header_bytes)
        self._notifying = asyncio.create_task(notify_systemd(self._lifecycle))
        self._loading = asyncio.create_task(self._load())

    async def stop(self) -> None:
        """Called when no request is left: stop the engine and send the last spans."""
        if self._loading is not None:
            self._loading.cancel()
            await asyncio.gather(self._loading, return_exceptions=True)
        if self._notifying is not None:
            self._notifying.cancel()
        if self._engine is not None:
            await self._engine.stop()
        if self.tracer_provider is not None:
            await tracing.flush(self.tracer_provider)

    async def _load(self) -> None:
        try:
            await self._build()
        except StartError as error:
            self._give_up(str(error))
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            logger.exception("the engine did not start")
            self._give_up(f"{self._engine_class.name} did not start: {error!r:.500}")

    async def _build(self) -> None:
        settings = self._settings
        path = local_directory(settings)
        if path is None:
            self._lifecycle.enter("download")
            path = await asyncio.to_thread(at_start.fetch, self._engine_class, settings)
        self._lifecycle.enter("load")
        settings, model = await asyncio.to_thread(
            at_start.apply, self._engine_class, settings, open_model(settings, path)
        )
        self._engine = engine = self._engine_class(settings, model)
        runtime = build_runtime(settings, model, engine, self._lifecycle, self._generations)
        self.app.runtime = runtime
        await self._lifecycle.start(engine)
        # What is loaded now stays: a full collection would walk an engine's millions of objects.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)

    def _give_up(self, reason: str) -> None:
        """End the service with a failure: a restart would meet the same error."""
        start_failure.report(reason)
        os.kill(os.getpid(), signal.SIGTERM)

    def _take_signals(self) -> None:
        """Drain first; then let uvicorn's own handler shut down."""
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            self._previous[number] = signal.getsignal(number)
            loop.add_signal_handler(number, self._on_signal, number)

    def _on_signal(self, number: int) -> None:
        """Drain at the first signal; a second Ctrl-C ends what still runs."""
        self._interrupts += number == signal.SIGINT
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain(number))
        elif self._interrupts > 1:
            self._generations.end_all(Draining("the service was stopped"))

    async def _drain(self, number: int) -> None:
        """Finish the running generations, refuse new ones, then hand over to uvicorn."""
        self._lifecycle.draining = True
        try:
            async with asyncio.timeout(self._settings.drain_timeout):
                await self._generations.idle()
        except TimeoutError:
            logger.warning("ending what still runs after %g s", self._settings.drain_timeout)
            self._generations.end_all(Draining("the service shut down before this answer was done"))
        loop = asyncio.get_running_loop()
        for taken in STOP_SIGNALS:
            loop.remove_signal_handler(taken)
            signal.signal(taken, self._previous[taken])
        self._hand_over(number, self._previous[number])

    def _hand_over(self, number: int, handler: SignalHandler) -> None:
        server = http_server(handler)
        if server is not None:
            server.config.timeout_graceful_shutdown = LAST_GRACE
        if callable(handler):
            handler(number, None)
        else:
            sys.exit(0)
