"""One worker process: loads the model while HTTP is up, drains on a stop signal, fails clearly."""

import asyncio
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any

import psutil
import uvicorn

from common.engine import Engine
from common.errors import Draining, StartError
from common.http.app import App
from common.http.connections import Connections
from common.http.exchange import APART
from common.http.protocol import limit_clients
from common.http.runtime import build_runtime
from common.images.opening import open_vision
from common.messages import one_line
from common.models.adapter_sources import with_adapters
from common.models.model import local_directory, open_model
from common.plan import at_start
from common.processes.signals import STOP_SIGNALS, terminate_with_parent
from common.processes.threads import start_threads
from common.processes.worker_guard import watch_this_process
from common.secrets import forget_secrets
from common.service import failure
from common.serving import tracing
from common.serving.generations import Generations
from common.serving.lifecycle import Lifecycle
from common.serving.systemd import notify_systemd
from common.settings import Settings
from common.text.chat import open_chat

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


def _start_threads() -> None:
    """Starts those for large bodies and of the event loop, which asyncio would have as many of."""
    count = min(32, (os.cpu_count() or 1) + 4)
    executor = ThreadPoolExecutor(count, "asyncio")
    start_threads(executor, count)
    asyncio.get_running_loop().set_default_executor(executor)
    start_threads(APART, 1)


class Server:
    """Ties an engine class to the HTTP application for the life of one process."""

    def __init__(self, engine: type[Engine], settings: Settings) -> None:
        self._engine_class = engine
        self._settings = settings
        self._engine: Engine | None = None
        self._connections: Connections | None = None
        self._generations = Generations()
        self._lifecycle = Lifecycle(settings, process_age())
        self._loading: asyncio.Task[None] | None = None
        self._notifying: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._draining: asyncio.Task[None] | None = None
        self._previous: dict[int, SignalHandler] = {}
        self._interrupts = 0
        self.tracer_provider = tracing.tracer_provider(settings, engine.name)
        self.app = App(settings, self._lifecycle)

    async def start(self) -> None:
        """Called once the event loop runs: load the model while HTTP is served."""
        terminate_with_parent()
        forget_secrets(os.environ)
        watch_this_process()
        _start_threads()
        self._take_signals()
        server = http_server(self._previous[signal.SIGTERM])
        if server is None:
            logger.warning("no limit on clients has an effect: the HTTP server is not uvicorn's")
        else:
            self._connections = limit_clients(server, self._settings)
        self._notifying = asyncio.create_task(notify_systemd(self._lifecycle))
        self._loading = asyncio.create_task(self._load())

    async def stop(self) -> None:
        """Called when no request is left: stop the engine and send the last spans."""
        if self._loading is not None:
            self._loading.cancel()
            await asyncio.gather(self._loading, return_exceptions=True)
        for task in (self._notifying, self._watching):
            if task is not None:
                task.cancel()
        if self.app.batches is not None:
            await self.app.batches.stop()
        if self._engine is not None:
            await self._engine.stop()
        if self.tracer_provider is not None:
            await tracing.flush(self.tracer_provider)

    async def _load(self) -> None:
        try:
            failure.loading()
            await self._build()
        except StartError as error:
            self._give_up(str(error))
        except ImportError as error:
            # Of a library that the engine's package needs, such as one of CUDA.
            self._give_up(f"{self._engine_class.title} cannot be imported: {one_line(error)}")
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            logger.exception("the engine did not start")
            self._give_up(f"{self._engine_class.name} did not start: {error!r:.500}")
        finally:
            failure.loaded()

    async def _build(self) -> None:
        settings = self._settings
        path = local_directory(settings)
        if path is None:
            self._lifecycle.enter("download")
            path = await asyncio.to_thread(at_start.fetch, self._engine_class, settings)
        self._lifecycle.enter("load")
        model = open_model(settings, path)
        self._engine_class.check_task(model)
        settings, model = await asyncio.to_thread(
            at_start.apply, self._engine_class, settings, model
        )
        model = await asyncio.to_thread(
            with_adapters, settings, model, self._engine_class.adapter_gaps
        )
        chat = await asyncio.to_thread(open_chat, settings, model)
        self._engine = engine = self._engine_class(settings, chat.model)
        vision = await asyncio.to_thread(open_vision, engine, chat.template)
        runtime = build_runtime(settings, chat, engine, self._lifecycle, self._generations, vision)
        runtime.metrics.add_accounts(self.app.keys)
        if self._connections is not None:
            runtime.metrics.add_closed_connections(self._connections.closed)
        self.app.runtime = runtime
        await self._lifecycle.start(engine)
        batches = self.app.open_batches(self.app)
        if batches is not None:
            runtime.metrics.add_batch_lines(lambda: batches.waiting_lines)
        self._watching = asyncio.create_task(self._watch())
        # What is loaded now stays: a full collection would walk an engine's millions of objects.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)

    async def _watch(self) -> None:
        """End the service, where that is wanted, when its engine has died."""
        reason = await self._lifecycle.watch(self._generations)
        if self._settings.exit_when_dead:
            self._give_up(f"the engine has died: {reason}")

    def _give_up(self, reason: str) -> None:
        """End the service with a failure."""
        failure.report(reason)
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
        if self.app.batches is not None:
            await self.app.batches.pause()
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
