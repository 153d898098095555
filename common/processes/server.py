"""A server of our own: watched, started again when it dies, and never left behind."""

import asyncio
import logging
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from common.engine import Health
from common.errors import EngineDead, EngineLost, NotReady, ServiceError, StartError
from common.processes.child_guard import KILL_TIMEOUT, UNKILLABLE
from common.processes.guarded import guarded_command
from common.processes.marks import kill_marked, new_mark
from common.processes.probe import PROBE_TIMEOUT, Ready, ServerProbe
from common.processes.restarts import Restarts
from common.processes.signals import stop_signals_blocked

logger = logging.getLogger("bentoml.llm.supervision")

ROOT = Path(__file__).parents[2]
MARK = "LLM_SERVER_MARK"
"""In the environment of a server and of what it starts."""
READY_INTERVAL = 0.1
DEATH_DELAY = 0.5
"""Seconds between a broken connection and the end of the process that broke it."""
KEPT_LINES = 20
SHOWN_LINES = 5
LINE_BYTES = 2**16


@dataclass(frozen=True)
class Command:
    """A program with its arguments, its whole environment and its working directory."""

    argv: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    directory: Path = ROOT


class ChildServer:
    """One server process under `name`, in a process group of its own, and all that it starts.

    `command` is called before each start. `ready` returns whether the server answers; it may
    raise StartError to give up. `grace` is how many seconds it gets between SIGTERM and SIGKILL.
    """

    def __init__(
        self,
        name: str,
        command: Callable[[], Command],
        ready: Ready,
        *,
        start_timeout: float,
        grace: float = 5.0,
        restarts: Restarts | None = None,
    ) -> None:
        self.name = name
        self._command = command
        self._probe = ServerProbe(ready)
        self._start_timeout = start_timeout
        self._grace = grace
        self._restarts = restarts or Restarts()
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._guard: subprocess.Popen[bytes] | None = None
        self._exited: asyncio.Future[int] | None = None
        self._mark = ""
        self._unkillable = False
        self._served_since = 0.0
        self._watcher: asyncio.Task[None] | None = None
        self._serving = asyncio.Event()
        self._died = asyncio.Event()
        self._dead: str | None = None

    async def start(self) -> None:
        """Returns when the server is ready. Raises StartError with its last log lines."""
        self._spawn()
        await self._wait_ready()
        self._watcher = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Ends the server, gently first; safe when it was never started."""
        try:
            await self._probe.stop()
            if self._watcher is not None:
                self._watcher.cancel()
                await asyncio.gather(self._watcher, return_exceptions=True)
        finally:
            await self._end()

    async def health(self) -> Health:
        """Returns whether the server is dead, being started again, or answered the last probe."""
        if self._dead is not None:
            return Health(False, self._dead)
        if not self._serving.is_set():
            return Health(True, f"{self.name} has died and is being started again", ready=False)
        if await self._probe.last_answer():
            return Health(True)
        return Health(True, f"{self.name} runs and does not answer", ready=False)

    def check(self) -> None:
        """Raises EngineDead, or NotReady while the server is being started again."""
        if self._dead is not None:
            raise EngineDead(self._dead)
        if not self._serving.is_set():
            raise NotReady(f"{self.name} has died and is being started again")

    async def failure(self, what: str) -> ServiceError:
        """Returns the error of a request that broke off because of `what`.

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
        """Returns the last lines of the server's log as one line."""
        shown = list(self._lines)[-SHOWN_LINES:]
        return " | ".join(shown) if shown else "it said nothing"

    def _spawn(self) -> None:
        command = self._command()
        self._lines.clear()
        self._died.clear()
        self._mark = new_mark()
        with stop_signals_blocked():
            guard = subprocess.Popen(
                guarded_command(command.argv, self._grace),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**command.environment, MARK: self._mark},
                cwd=command.directory,
            )
        assert guard.stdout is not None
        self._reader = threading.Thread(target=self._read_log, args=[guard.stdout], daemon=True)
        self._reader.start()
        self._guard = guard
        self._exited = exit_of(guard)

    def _read_log(self, output: IO[bytes]) -> None:
        """Forwards each line, in a thread: a full pipe would block the server."""
        with output:
            while line := output.readline(LINE_BYTES):
                if text := line.decode("utf-8", "replace").rstrip():
                    self._lines.append(text)
                    logger.info("%s: %s", self.name, text)

    async def _settle(self) -> int:
        """Returns the guard's exit code, once it has ended, its log is read and nothing is left."""
        assert self._exited is not None
        assert self._guard is not None
        assert self._guard.stdin is not None
        code = await asyncio.shield(self._exited)
        self._guard.stdin.close()
        # A guard that was killed itself could not end what the server started.
        if code < 0:
            survivors = await asyncio.to_thread(kill_marked, MARK, self._mark, KILL_TIMEOUT)
            code = UNKILLABLE if survivors else code
        self._unkillable = code == UNKILLABLE
        # A descendant that could not be ended may hold the pipe open.
        await asyncio.to_thread(self._reader.join, 1.0)
        return code

    async def _wait_ready(self) -> None:
        """Raises StartError when the server ends, or is not ready in time."""
        assert self._exited is not None
        deadline = time.monotonic() + self._start_timeout
        while not await self._probe.now(min(PROBE_TIMEOUT, max(deadline - time.monotonic(), 0.1))):
            await asyncio.wait([self._exited], timeout=READY_INTERVAL)
            if self._exited.done():
                code = await self._settle()
                raise StartError(
                    f"{self.name} ended with exit code {code} while starting; "
                    f"its last lines: {self.last_lines()}"
                )
            if time.monotonic() > deadline:
                raise StartError(
                    f"setting 'start_timeout': {self.name} was not ready within "
                    f"{self._start_timeout:g} s; its last lines: {self.last_lines()}"
                )
        self._served_since = time.monotonic()
        self._serving.set()

    async def _watch(self) -> None:
        """Keeps the server running; the end of this task, whatever it is, is the server's death."""
        try:
            self._dead = await self._start_again_and_again()
        except Exception as error:
            logger.exception("%s has died and cannot be started again", self.name)
            with suppress(Exception):
                await self._end()
            self._dead = f"{self.name} has died and cannot be started again: {error!r}"
        self._died.set()

    async def _start_again_and_again(self) -> str:
        """Starts the server again each time it dies; returns why that helps no more."""
        dead: str | None = None
        while dead is None:
            assert self._exited is not None
            await asyncio.shield(self._exited)
            self._serving.clear()
            code = await self._settle()
            dead = await self._start_again(
                f"{self.name} died with exit code {code}; its last lines: {self.last_lines()}"
            )
        return dead

    async def _start_again(self, reason: str) -> str | None:
        """Returns None when the server is back, else why it is gone for good."""
        wait = self._restarts.next_wait(time.monotonic() - self._served_since)
        # What is left of an unkillable one holds the memory that the next one needs.
        while wait is not None and not self._unkillable:
            self._died.set()
            logger.error("%s; starting it again in %g s", reason, wait)
            await asyncio.sleep(wait)
            try:
                self._spawn()
                await self._wait_ready()
            except StartError as error:
                reason = str(error)
                assert self._exited is not None
                ended = self._exited.done()
                await self._end()
                # One that hangs would hang again.
                wait = self._restarts.next_wait() if ended else None
            else:
                logger.warning("%s is back", self.name)
                return None
        return reason

    async def _end(self) -> None:
        """Closes the guard's input, upon which it ends the server and all that it started."""
        if self._guard is None:
            return
        assert self._guard.stdin is not None
        self._guard.stdin.close()
        await self._settle()


def exit_of(process: subprocess.Popen[bytes]) -> asyncio.Future[int]:
    """Returns a future of the exit code, which does not keep this process from ending."""
    loop = asyncio.get_running_loop()
    exited: asyncio.Future[int] = loop.create_future()

    def set_code(code: int) -> None:
        if not exited.done():
            exited.set_result(code)

    def wait() -> None:
        code = process.wait()
        # The loop may be closed.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(set_code, code)

    threading.Thread(target=wait, daemon=True).start()
    return exited
