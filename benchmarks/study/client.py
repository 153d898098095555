"""The load client as a process of its own."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.machine_metrics.sampler import API_KEY
from benchmarks.results.schema import Subject
from benchmarks.study.cells import Cell
from benchmarks.study.reading import Plan
from benchmarks.study.spec import Target
from common.processes import child_guard

ROOT = Path(__file__).parents[2]
PROGRAM = (sys.executable, "-m", "benchmarks.load")
LOG = "client.log"
SUBJECT = "subject.json"
GRACE = 30.0
"""Seconds in which an interrupted client writes what it has."""
SLACK = 300.0
"""Seconds beyond its load and its drain after which a client hangs."""
KEPT_LINES = 20
LINE_BYTES = 2**20
VALID, VOID = 0, 3
"""Exit statuses of the client that leave a result."""


class ClientFailed(Exception):
    """No result; `log` has the last lines of the client."""

    def __init__(self, reason: str, log: Sequence[str]) -> None:
        super().__init__(reason)
        self.log = tuple(log)


@dataclass(frozen=True)
class Endpoint:
    """Where the load goes. `pid` is the root of the service's processes on this machine."""

    url: str
    model: str
    metrics_url: str
    pid: int | None
    subject: Subject


def arguments(plan: Plan, cell: Cell, endpoint: Endpoint, folder: Path) -> list[str]:
    """Of the client's command line."""
    load, prompts, limits = cell.load, plan.study.prompts, plan.study.limits
    given: dict[str, object] = {
        "engine": load.engine,
        "mode": load.mode,
        "users": cell.users,
        "rate": cell.rate,
        "duration": load.duration,
        "ramp": load.ramp,
        "window": load.window,
        "warmup": load.warm_up,
        "drain": load.drain,
        "timeout": load.timeout,
        "max-tokens": load.max_tokens,
        "temperature": load.temperature,
        "turns": load.turns,
        "procs": load.procs,
        "protocol": load.protocol,
        "model": endpoint.model,
        "prompts": plan.prompts,
        "min-prompt-tokens": prompts.min_tokens,
        "max-prompt-tokens": prompts.max_tokens,
        "min-prompt-words": prompts.min_words,
        "max-prompt-words": prompts.max_words,
        "tokenizer": _tokenizer(plan),
        "prompt-count": prompts.count,
        "reset-cache": cell.target.reset_cache,
        "seed": cell.seed,
        "ttft-limit": limits.ttft,
        "tpot-limit": limits.tpot,
        "end-to-end-limit": limits.end_to_end,
        "price-per-hour": cell.content["price_per_hour"],
        "metrics-url": endpoint.metrics_url,
        "pid": endpoint.pid,
        "subject": folder / SUBJECT,
        "out": folder,
    }
    if cell.system_prompt_file is not None:
        given["system-prompt"] = f"@{cell.system_prompt_file}"
    words = [f"--{name}={value}" for name, value in given.items() if value is not None]
    if load.ignore_eos:
        words.append("--ignore-eos")
    return [endpoint.url, *words]


def _tokenizer(plan: Plan) -> str | None:
    """A directory is named from the study's, which is not the client's."""
    name = plan.study.prompts.tokenizer
    folder = plan.text.file.parent / (name or "")
    return str(folder.resolve()) if name is not None and folder.is_dir() else name


def api_key(target: Target) -> str | None:
    """The first of those that our services take; of an endpoint the one that the study names, else
    the client's own. Ours are for nobody else."""
    if target.key_variable is not None:
        return os.environ.get(target.key_variable)
    services = os.environ.get("API_KEYS", "").split(",")[0].strip() if target.backend else ""
    return services or os.environ.get(API_KEY) or None


async def run(
    command: Sequence[str],
    folder: Path,
    seconds: float,
    told: Callable[[str], None],
    ended: Callable[[], Awaitable[None]] | None,
    key: str | None,
) -> int:
    """VALID or VOID. Raises ClientFailed; a cancelled one keeps what was measured.

    `told` gets each line of the client. When `ended` returns, which waits for the service's end,
    the client is stopped and ClientFailed raised.
    """
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, child_guard.__file__, str(GRACE), *command],
        cwd=ROOT,
        env=_environment(key),
        stdin=PIPE,
        stdout=PIPE,
        stderr=STDOUT,
        limit=LINE_BYTES,
        start_new_session=True,
    )
    lines: deque[str] = deque(maxlen=KEPT_LINES)
    reader = asyncio.create_task(_read(process, folder / LOG, lines, told))
    death = asyncio.ensure_future(ended()) if ended is not None else None
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
        raise ClientFailed("the service ended meanwhile", lines)
    if not done:
        raise ClientFailed(f"the client did not end within {seconds + SLACK:g} s", lines)
    code = process.returncode
    if code not in (VALID, VOID):
        said = lines[-1] if lines else "it said nothing"
        raise ClientFailed(f"the client ended with {code}: {said.removeprefix('error: ')}", lines)
    return code


def _environment(key: str | None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != API_KEY}
    return kept if key is None else {**kept, API_KEY: key}


async def _read(
    process: Process, log: Path, lines: deque[str], told: Callable[[str], None]
) -> None:
    """Until the client's end. Lines still go on when the log cannot be written."""
    assert process.stdout is not None
    with log.open("wb", buffering=0) as file:
        while True:
            try:
                line = await process.stdout.readline()
            except ValueError:  # longer than LINE_BYTES
                continue
            if not line:
                return
            with suppress(OSError):
                file.write(line)
            if text := line.decode("utf-8", "replace").strip():
                lines.append(text)
                told(text)


async def _end(process: Process, reader: asyncio.Task[None]) -> None:
    """As Ctrl-C does, then the keeper's way; nothing to do when it has ended."""
    assert process.stdin is not None
    if process.returncode is None and not reader.done():
        with suppress(psutil.Error):
            for child in psutil.Process(process.pid).children():
                child.send_signal(signal.SIGINT)
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(reader), GRACE)
    process.stdin.close()
    await process.wait()
    await reader
