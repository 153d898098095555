"""Programs that end with this process, with all that they have started, however it ends."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

import psutil

from common.processes import child_guard

GUARD = child_guard.__file__
LINE_BYTES = 2**20
"""The longest line of output that is passed on; a longer one is dropped."""


def guarded_command(argv: Sequence[str], grace: float) -> list[str]:
    """Returns the command line that runs `argv` under the child guard.

    The guard's standard input has to be a pipe: when it closes, the program gets SIGTERM, and
    SIGKILL after `grace` seconds. The guard's exit status is the program's.
    """
    return [sys.executable, GUARD, str(grace), *argv]


class GuardedProcess:
    """A program that was spawned under the child guard on this event loop."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def spawn(
        cls,
        argv: Sequence[str],
        *,
        grace: float,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        output: IO[bytes] | None = None,
    ) -> "GuardedProcess":
        """Starts `argv` in a session of its own; without an `output` file, `lines` yields it.

        `grace` is how many seconds it has between SIGTERM and SIGKILL when it is ended.
        """
        return cls(
            await asyncio.create_subprocess_exec(
                *guarded_command(argv, grace),
                cwd=directory,
                env=environment,
                stdin=PIPE,
                stdout=PIPE if output is None else output,
                stderr=STDOUT,
                limit=LINE_BYTES,
                start_new_session=True,
            )
        )

    @property
    def pid(self) -> int:
        """The guard's process id, of which the program's processes descend."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The program's exit status, None while it runs."""
        return self._process.returncode

    async def lines(self) -> AsyncIterator[bytes]:
        """Yields each line of output with its end, until the program closes it."""
        assert self._process.stdout is not None
        while True:
            try:
                line = await self._process.stdout.readline()
            except ValueError:
                continue
            if not line:
                return
            yield line

    def children(self) -> list[psutil.Process]:
        """Returns the program that the guard has started, or nothing when it has ended."""
        with suppress(psutil.Error):
            return psutil.Process(self.pid).children()
        return []

    def interrupt(self) -> None:
        """Sends SIGINT to the program, as Ctrl-C in a terminal does."""
        for child in self.children():
            with suppress(psutil.Error):
                child.send_signal(signal.SIGINT)

    def terminate(self) -> None:
        """Has the guard end the program; `wait` returns when that is done."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    async def wait(self) -> int:
        """Returns the exit status once the program and all that it started have ended."""
        return await self._process.wait()
