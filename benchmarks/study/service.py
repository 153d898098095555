"""One service under measurement: started as a user starts it, awaited, stopped, gone."""

import asyncio
import json
import os
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.study import leftovers
from benchmarks.study.cell import StudyCell
from benchmarks.study.cores import pin
from benchmarks.study.interpreters import NoInterpreter, interpreter, versions
from benchmarks.study.leftovers import MARK
from benchmarks.study.spec import AUTO
from common.models.model import DEMO_MODEL
from common.processes.guarded import GuardedProcess
from common.processes.marks import new_mark
from common.processes.ports import LOOPBACK, free_ports
from common.settings import Settings
from services._backends import load

ROOT = Path(__file__).parents[2]
GRACE = 60.0
"""Seconds between SIGTERM and SIGKILL."""
READY_INTERVAL = 0.2
QUESTION_TIMEOUT = 30.0
KEPT_LINES = 20
TAIL_BYTES = 2**16
KEPT_VARIABLES = ("API_KEYS",)
"""Settings that come from the environment: a study file holds no secrets."""


class ServiceFailed(Exception):
    """A service did not start or did not stay; `log` has its last lines."""

    def __init__(self, reason: str, log: Sequence[str] = ()) -> None:
        super().__init__(reason)
        self.log = tuple(log)


class Service:
    """`bentoml serve` of one backend with the settings of `cell`, or the command of its target, its
    output in `log`, and on `core` alone where that is given.

    Ends with this process, however that ends.
    """

    def __init__(self, cell: StudyCell, log: Path, timeout: float, core: int | None) -> None:
        self.cell = cell
        self.log = log
        self._timeout = timeout
        self._core = core
        (self.port,) = free_ports(1)
        self.url = f"http://{LOOPBACK}:{self.port}"
        self.versions: dict[str, str] = {}
        self.start_seconds = 0.0
        self._mark = new_mark()
        self._process: GuardedProcess | None = None
        self._gpu_before: Mapping[str, int] = {}

    async def start(self) -> None:
        """Returns when it is ready. Raises ServiceFailed."""
        backend = self.cell.target.backend
        try:
            python = await interpreter(backend)
        except NoInterpreter as error:
            lines = str(error).splitlines()
            raise ServiceFailed(_reason(lines, "there is no environment for it"), lines) from None
        self.versions = await versions(python, backend)
        self._gpu_before = await asyncio.to_thread(leftovers.gpu_memory)
        command = await asyncio.to_thread(self._command, python)
        begun = time.monotonic()
        with self.log.open("wb") as output:
            self._process = await GuardedProcess.spawn(
                command,
                grace=GRACE,
                environment=self._environment(),
                directory=ROOT,
                output=output,
            )
        await self._wait_ready(begun + self._timeout)
        self.start_seconds = time.monotonic() - begun
        if self._core is not None:
            pin(self.pid, self._core)

    @property
    def pid(self) -> int:
        """Returns that of the root of its processes, the guard's own when it has ended."""
        assert self._process is not None
        children = self._process.children()
        return children[0].pid if children else self._process.pid

    @property
    def metrics_url(self) -> str | None:
        """Returns where it has /metrics, if that is known."""
        return f"{self.url}/metrics" if self.cell.target.is_ours else self.cell.target.metrics_url

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def ended(self) -> None:
        """Returns when it has ended, which it should not."""
        assert self._process is not None
        await self._process.wait()

    def failure(self, when: str) -> ServiceFailed:
        """Returns the error, with the line that it printed for its user, or else its last one."""
        assert self._process is not None
        lines = last_lines(self.log)
        code = self._process.returncode
        return ServiceFailed(_reason(lines, f"ended with exit code {code} {when}"), lines)

    async def stop(self) -> tuple[str, ...]:
        """Returns what is left of it, in sentences; none is the proof that nothing is."""
        if self._process is None:
            return ()
        self._process.terminate()
        await self._process.wait()
        before = self._gpu_before
        return await asyncio.to_thread(leftovers.left, self._mark, self.port, before)

    def _command(self, python: Path) -> list[str]:
        target, model = self.cell.target, self.cell.model.source or str(DEMO_MODEL)
        if target.command is None:
            serve = ["{python}", "-m", "bentoml", "serve", load(str(target.backend))[0]]
            words = [*serve, "--host", LOOPBACK, "--port", "{port}"]
        else:
            words = [*target.command]
        known = {"{python}": str(python), "{port}": str(self.port), "{model}": model}
        for name, value in known.items():
            words = [word.replace(name, value) for word in words]
        return words

    async def _wait_ready(self, deadline: float) -> None:
        path = self.cell.target.ready_path or "/readyz"
        async with aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(QUESTION_TIMEOUT)
        ) as session:
            while not await is_ready(session, self.url + path):
                assert self._process is not None
                if self._process.returncode is not None:
                    raise self.failure("while it started")
                if time.monotonic() > deadline:
                    reason = f"was not ready within {self._timeout:g} s (start_timeout)"
                    raise ServiceFailed(reason, last_lines(self.log))
                await asyncio.sleep(READY_INTERVAL)

    def _environment(self) -> dict[str, str]:
        """Returns this process's without settings of ours: the study alone says what they are."""
        own = {name.upper() for name in Settings.model_fields} - {*KEPT_VARIABLES}
        kept = {name: value for name, value in os.environ.items() if name not in own}
        return {
            **kept,
            "BENTOML_DO_NOT_TRACK": "True",
            **self.cell.target.variables,
            **{name.upper(): value for name, value in settings(self.cell).items()},
            MARK: self._mark,
        }


def settings(cell: StudyCell) -> dict[str, str]:
    """Returns what its service is started with, as environment variables take it; empty where none
    of ours is started."""
    if not cell.target.is_ours:
        return {}
    given: dict[str, Any] = {**cell.settings, "model": cell.model.source}
    if cell.quantization != AUTO:
        given["quantization"] = cell.quantization
    return {name: _text(value) for name, value in given.items() if value is not None}


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value)


async def is_ready(session: aiohttp.ClientSession, url: str) -> bool:
    with suppress(aiohttp.ClientError, TimeoutError):
        async with session.get(url) as response:
            return response.status == 200
    return False


def last_lines(log: Path) -> list[str]:
    """Returns the end of a log, without empty lines; empty when there is none."""
    with suppress(OSError), log.open("rb") as file:
        file.seek(max(log.stat().st_size - TAIL_BYTES, 0))
        lines = file.read().decode("utf-8", "replace").splitlines()
        return list(deque((line.rstrip() for line in lines if line.strip()), KEPT_LINES))
    return []


def _reason(lines: Sequence[str], what: str) -> str:
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return f"{what}: {(errors or lines or ['it said nothing'])[-1]}"
