"""The threads that MLC-LLM starts: whether they live, and what they died of."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any

from services._mlc.request import one_line

NAMES = ("_background_loop_thread", "_background_stream_back_loop_thread")
"""Attributes of AsyncMLCEngine."""


class EngineThreads:
    """Asked from the moment they are being started, while AsyncMLCEngine is not yet made."""

    def __init__(self) -> None:
        self._last_error = ""
        self._engine: Any = None
        self._previous = threading.excepthook

    def watch(self, engine: Any) -> None:
        """Begin to watch the threads of `engine`, which need not be constructed yet."""
        self._engine = engine
        self._previous = threading.excepthook
        # An exception that ends a thread is told nowhere else.
        threading.excepthook = self._on_exception

    def death(self) -> str | None:
        """What one of them ended with, None while all live or are about to start."""
        for thread in self._threads():
            if thread.ident is not None and not thread.is_alive():
                return self._last_error or "a thread of MLC-LLM's has ended"
        return None

    def close(self) -> None:
        if threading.excepthook == self._on_exception:
            threading.excepthook = self._previous

    def _threads(self) -> list[threading.Thread]:
        return [thread for name in NAMES if (thread := getattr(self._engine, name, None))]

    def _on_exception(self, ended: threading.ExceptHookArgs) -> None:
        if ended.thread in self._threads() and ended.exc_value is not None:
            self._last_error = one_line(ended.exc_value)
        self._previous(ended)


def in_daemon_thread(work: Callable[[], None]) -> asyncio.Future[None]:
    """Threads that `work` starts are daemons too: none of them holds up the end of the process."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()

    def settle(error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)

    def run() -> None:
        error: BaseException | None = None
        try:
            work()
        except BaseException as raised:
            error = raised
        # The loop may have been closed meanwhile.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, error)

    threading.Thread(target=run, name="mlc", daemon=True).start()
    return future
