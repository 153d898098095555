"""A client as a process of its own, which gets what it is to do as a file."""

import asyncio
import os
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from benchmarks.load.spec import DAY, KEY, Part, Spec
from benchmarks.quality.tasks import QualitySpec
from benchmarks.results.files import write_whole
from benchmarks.results.schema import Subject
from benchmarks.study.cell import LoadCell
from benchmarks.study.spec import StudyTarget
from benchmarks.words import counted, readable_time
from common.processes.guarded import GuardedProcess

ROOT = Path(__file__).parents[2]
PROGRAM = (sys.executable, "-m", "benchmarks.load")
QUALITY_PROGRAM = (sys.executable, "-m", "benchmarks.quality")
LOG = "client.log"
SPEC, SUBJECT = "spec.json", "subject.json"
GRACE = 30.0
"""Seconds in which an interrupted client writes what it has."""
SLACK = 300.0
"""Seconds beyond its load and its drain after which a client hangs."""
KEPT_LINES = 20
VALID, VOID = 0, 3
"""Exit statuses of the client that leave a result."""


class LoadClientFailed(Exception):
    """No result; `log` has the last lines of the client."""

    def __init__(self, reason: str, log: Sequence[str]) -> None:
        super().__init__(reason)
        self.log = tuple(log)


class ClientRun(NamedTuple):
    """A client's command, the `seconds` that it may take, and what it does, for a reader."""

    command: Sequence[str]
    seconds: float
    phase: str


def load_run(
    program: Sequence[str], cell: LoadCell, spec: Spec, subject: Subject, folder: Path
) -> ClientRun:
    """Returns the run of a load, which `spec` says for the started service. Raises OSError."""
    _write(folder, spec, subject)
    files = (f"--spec={folder / SPEC}", f"--subject={folder / SUBJECT}", f"--out={folder}")
    return ClientRun(
        (*program, *files),
        cell.most_seconds / spec.duration * (spec.duration + spec.drain + spec.timeout),
        f"{cell.level}, {readable_time(spec.duration)}{' a run' if cell.is_sweep else ''}",
    )


def quality_run(spec: QualitySpec, subject: Subject, folder: Path) -> ClientRun:
    """Returns the run of tasks. Raises OSError."""
    _write(folder, spec, subject)
    files = (str(folder / SPEC), f"--subject={folder / SUBJECT}", f"--out={folder}")
    return ClientRun(
        (*QUALITY_PROGRAM, *files), DAY, f"{counted(len(spec.tasks), 'task')} of quality"
    )


def _write(folder: Path, spec: Part, subject: Subject) -> None:
    write_whole(folder / SPEC, spec.model_dump_json(indent=1) + "\n")
    write_whole(folder / SUBJECT, subject.model_dump_json(indent=1) + "\n")


def api_key(target: StudyTarget) -> str | None:
    """Returns the first of those that our services take; for an endpoint the one that the study
    names, else the client's own. Ours are for nobody else."""
    if target.key_variable is not None:
        return os.environ.get(target.key_variable)
    services = os.environ.get("API_KEYS", "").split(",")[0].strip() if target.is_ours else ""
    return services or os.environ.get(KEY) or None


async def run(
    command: Sequence[str],
    folder: Path,
    seconds: float,
    on_line: Callable[[str], None],
    service_end: Callable[[], Awaitable[None]] | None,
    key: str | None,
) -> int:
    """Runs the client for as many `seconds` at most, and some slack. Returns VALID or VOID. Raises
    LoadClientFailed; a cancelled one keeps what was measured.

    `on_line` gets each line of the client. When `service_end` returns, which waits for it, the
    client is stopped and LoadClientFailed raised.
    """
    process = await GuardedProcess.spawn(
        command, grace=GRACE, environment=_environment(key), directory=ROOT
    )
    lines: deque[str] = deque(maxlen=KEPT_LINES)
    reader = asyncio.create_task(_read(process, folder / LOG, lines, on_line))
    death = asyncio.ensure_future(service_end()) if service_end is not None else None
    watched = {reader} if death is None else {reader, death}
    try:
        done, _ = await asyncio.wait(
            watched, timeout=seconds + SLACK, return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        await _end(process, reader)
        if death is not None:
            death.cancel()
    if death is not None and death in done:
        raise LoadClientFailed("the service ended meanwhile", lines)
    if not done:
        raise LoadClientFailed(f"the client did not end within {seconds + SLACK:g} s", lines)
    code = process.returncode
    if code not in (VALID, VOID):
        last = (lines[-1] if lines else "it said nothing").removeprefix("error: ")
        raise LoadClientFailed(f"the client ended with {code}: {last}", lines)
    return code


def _environment(key: str | None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != KEY}
    return kept if key is None else {**kept, KEY: key}


async def _read(
    process: GuardedProcess, log: Path, lines: deque[str], on_line: Callable[[str], None]
) -> None:
    """Returns at the client's end. Lines still go on when the log cannot be written."""
    with log.open("wb", buffering=0) as file:
        async for line in process.lines():
            with suppress(OSError):
                file.write(line)
            if text := line.decode("utf-8", "replace").strip():
                lines.append(text)
                on_line(text)


async def _end(process: GuardedProcess, reader: asyncio.Task[None]) -> None:
    """Ends the client as Ctrl-C does, then the guard's way, if it has not ended."""
    if process.returncode is None and not reader.done():
        process.interrupt()
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(reader), GRACE)
    process.terminate()
    await process.wait()
    await reader
