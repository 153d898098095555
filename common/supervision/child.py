"""A server that we start: watched, started again when it dies, and never left behind."""

import asyncio
import logging
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from common.engine import Health
from common.errors import EngineDead, EngineLost, NotReady, ServiceError, StartError
from common.signals import stop_signals_blocked
from common.supervision.restarts import Restarts

logger = logging.getLogger("bentoml.llm.supervision")

ROOT = Path(__file__).parents[2]
KEEPER = str(Path(__file__).with_name("keeper.py"))
READY_INTERVAL = 0.1
DEATH_DELAY = 0.5
"""Seconds between a broken connection and the end of the process that broke it."""
KEPT_LINES = 20
SHOWN_LINES = 5
LINE_BYTES = 2**16


@dataclass(frozen=True)
class Command:
    """A program with its arguments and its whole environment."""

    argv: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)


class ChildServer:
    """One server process under `name`, with what it starts in a process group of its own.

    `command` is asked for before each start. `ready` tells whether the server answers; it may
    raise StartError to give up. `grace` is how many seconds it gets between SIGTERM and SIGKILL.
    """

    def __init__(
        self,
        name: str,
        command: Callable[[], Command],
        ready: Callable[[], Awaitable[bool]],
        *,
        start_timeout: float,
        grace: float = 5.0,
        restarts: Restarts | None = None,
    ) -> None:
        self.name = name
        self._command = command
        self._ready = ready
        self._start_timeout = start_timeout
        self._grace = grace
        self._restarts = restarts or Restarts()
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._keeper: subprocess.Popen[bytes] | None = None
        self._exited: asyncio.Future[int] | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._serving = asyncio.Event()
        self._died = asyncio.Event()
        self._dead: str | None = None

    async def start(self) -> None:
        """Return when the server is ready. Raises StartError with its last log lines."""
        self._spawn()
        await self._wait_ready()
        self._watcher = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Ask the server to end, and end it; safe when it was never started."""
        if self._watcher is not None:
            self._watcher.cancel()
            with suppress(asyncio.CancelledError):
                await self._watcher
        await self._end()

    async def health(self) -> Health:
        """Without asking the server: dead, being started again, or running."""
        if self._dead is not None:
            return Health(False, self._dead)
        if not self._serving.is_set():
            return Health(True, f"{self.name} has died and is being started again", ready=False)
        return Health(True)

    def check(self) -> None:
        """Raises EngineDead, or NotReady while the server is being started again."""
        if self._dead is not None:
            raise EngineDead(self._dead)
        if not self._serving.is_set():
            raise NotReady(f"{self.name} has died and is being started again")

    async def failure(self, what: str) -> ServiceError:
        """The error of a request that broke off because of `what`.

        A dead process is known a moment after its connections break.
        """
        if not self._died.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._died.wait(), DEATH_DELAY)
        if self._dead is not None:
            return EngineDead(self._dead)
        logger.error("%s broke a request off: %s", self.name, what)
        return EngineLost(f"{self.name} broke off this request; send it again")

    def last_lines(self) -> str:
        """The end of the server's log, on one line."""
        shown = list(self._lines)[-SHOWN_LINES:]
        return " | ".join(shown) if shown else "it said nothing"

    def _spawn(self) -> None:
        command = self._command()
        self._lines.clear()
        self._died.clear()
        with stop_signals_blocked():
            keeper = subprocess.Popen(
                [sys.executable, KEEPER, str(self._grace), *command.argv],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=dict(command.environment),
                cwd=ROOT,
            )
        assert keeper.stdout is not None
        self._reader = threading.Thread(target=self._read_log, args=[keeper.stdout], daemon=True)
        self._reader.start()
        self._keeper = keeper
        self._exited = asyncio.ensure_future(asyncio.to_thread(keeper.wait))

    def _read_log(self, output: IO[bytes]) -> None:
        """Forward each line, in a thread: a full pipe would block the server."""
        with output:
            while line := output.readline(LINE_BYTES):
                if text := line.decode("utf-8", "replace").rstrip():
                    self._lines.append(text)
                    logger.info("%s: %s", self.name, text)

    async def _all_read(self) -> None:
        """Of a server that has ended; a descendant outside its group may hold the pipe open."""
        await asyncio.to_thread(self._reader.join, 1.0)

    async def _wait_ready(self) -> None:
        """Raises StartError when the server ends, or is not ready in time."""
        assert self._exited is not None
        deadline = time.monotonic() + self._start_timeout
        while not await self._ready():
            await asyncio.wait([self._exited], timeout=READY_INTERVAL)
            if self._exited.done():
                await self._all_read()
                raise StartError(
                    f"{self.name} ended with exit code {self._exited.result()} while starting; "
                    f"its last lines: {self.last_lines()}"
                )
            if time.monotonic() > deadline:
                raise StartError(
                    f"setting 'start_timeout': {self.name} was not ready within "
                    f"{self._start_timeout:g} s; its last lines: {self.last_lines()}"
                )
        self._serving.set()

    async def _watch(self) -> None:
        """Start the server again each time it dies, as long as that helps."""
        while True:
            assert self._exited is not None
            code = await asyncio.shield(self._exited)
            self._serving.clear()
            await self._all_read()
            reason = f"{self.name} died with exit code {code}; its last lines: {self.last_lines()}"
            wait = self._restarts.next_wait()
            if wait is None:
                self._dead = reason
            self._died.set()
            if wait is None:
                return
            logger.error("%s; starting it again in %g s", reason, wait)
            await asyncio.sleep(wait)
            try:
                self._spawn()
                await self._wait_ready()
            except StartError as error:
                await self._end()
                self._dead = str(error)
                return
            logger.warning("%s is back", self.name)

    async def _end(self) -> None:
        """The keeper sees its input end, and ends the server's whole group."""
        if self._keeper is None or self._exited is None:
            return
        assert self._keeper.stdin is not None
        self._keeper.stdin.close()
        await self._exited
