"""aiperf's program: found, checked, and run as a process that ends with us, however we end."""

import asyncio
import os
import shutil
import signal
import subprocess
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.imports.aiperf import VERSION
from benchmarks.load.spec import KEY, LoadFailed
from common.processes.guarded import GuardedProcess

ROOT = Path(__file__).parents[3]
INSTALLED = ROOT / ".venv-aiperf" / "bin" / "aiperf"
INSTALL = f"python -m venv .venv-aiperf && .venv-aiperf/bin/pip install aiperf=={VERSION}"
WITH_KEY = Path(__file__).parent / "with_key.py"
VERSION_TIMEOUT = 120.0
"""Seconds in which aiperf prints its version; it imports much."""
STOP_TIMEOUT = 10.0
"""Seconds from when it is asked to stop until it is killed, with all that it started."""
EXTRA_TIMEOUT = 300.0
"""Seconds beyond its load and its drain; it starts, and sums up, slowly."""
KEPT_LINES = 40


class LoadGeneratorFailed(LoadFailed):
    """aiperf is missing, cannot do what is asked, or recorded nothing; the message is one line."""


@dataclass
class Exit:
    """`output` has the last lines; `interrupted` says whether somebody stopped the process."""

    status: int
    output: str
    interrupted: bool


def find_program() -> Path:
    """Returns the program that AIPERF names, of its own environment, or on PATH.

    Raises LoadGeneratorFailed.
    """
    own = str(INSTALLED) if INSTALLED.exists() else None
    program = os.environ.get("AIPERF") or own or shutil.which("aiperf")
    if program is None:
        raise LoadGeneratorFailed(f"aiperf is missing; this installs it: {INSTALL}")
    return Path(program)


async def check_version(program: Path) -> None:
    """Raises LoadGeneratorFailed for another release than the one whose records are understood."""
    run = partial(subprocess.run, stdin=subprocess.DEVNULL, env=environment())
    try:
        completed = await asyncio.to_thread(
            run, [program, "--version"], capture_output=True, text=True, timeout=VERSION_TIMEOUT
        )
    except OSError as error:
        raise LoadGeneratorFailed(f"{program}: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise LoadGeneratorFailed(
            f"{program} --version said nothing within {VERSION_TIMEOUT:g} s"
        ) from None
    version = completed.stdout.strip() or f"exit status {completed.returncode}"
    if version != VERSION:
        raise LoadGeneratorFailed(
            f"aiperf {version} is unknown; this installs {VERSION}: {INSTALL}"
        )


def environment() -> dict[str, str]:
    """Returns ours, without what makes aiperf look up a tokenizer's folder on the hub."""
    return {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}


def command_line(program: Path, arguments: Sequence[str]) -> list[str]:
    """Returns the command, which passes on the key from the environment where there is one."""
    if KEY not in os.environ:
        return [str(program), *arguments]
    return [str(program.parent / "python"), str(WITH_KEY), str(program), *arguments]


async def run_process(command: Sequence[str], seconds: float) -> Exit:
    """Runs aiperf, whose load and drain take `seconds`; raises LoadGeneratorFailed for a hang.

    Ctrl-C goes to aiperf, which then writes what it has; a second one ends it.
    """
    process = await GuardedProcess.spawn(command, grace=STOP_TIMEOUT, environment=environment())
    timeout = seconds + EXTRA_TIMEOUT
    # Read to the end, however that comes: a full pipe would keep the process from ending.
    reader = asyncio.create_task(_last_lines(process))
    try:
        with _forwarded_interrupts(process) as interrupts:
            lines = await asyncio.wait_for(asyncio.shield(reader), timeout)
    except TimeoutError:
        raise LoadGeneratorFailed(f"aiperf did not end within {timeout:g} s") from None
    finally:
        process.terminate()
        await process.wait()
        await reader
    return Exit(process.returncode or 0, "\n".join(lines), bool(interrupts))


async def _last_lines(process: GuardedProcess) -> Sequence[str]:
    lines: deque[str] = deque(maxlen=KEPT_LINES)
    async for line in process.lines():
        lines.append(line.decode(errors="replace").rstrip())
    return lines


@contextmanager
def _forwarded_interrupts(process: GuardedProcess) -> Iterator[list[int]]:
    """Yields the list of the signals that came meanwhile."""
    loop = asyncio.get_running_loop()
    received: list[int] = []

    def interrupt(number: int) -> None:
        received.append(number)
        if len(received) > 1:
            process.terminate()
        else:
            process.interrupt()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt, number)
    try:
        yield received
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def failure_reason(output: str) -> str:
    """Returns in one line what aiperf printed of its failure, in a box or as its last line."""
    boxed = [line.strip("│ ") for line in output.splitlines() if line.startswith("│")]
    plain = [line.strip() for line in output.splitlines() if line.strip()]
    return " ".join(" ".join(boxed).split()) or (plain[-1] if plain else "it said nothing")
