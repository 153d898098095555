"""aiperf as a process that ends with us, however we end."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.load.spec import KEY
from benchmarks.load_generators.aiperf.errors import EngineFailed
from benchmarks.load_generators.aiperf.program import environment
from common.processes import child_guard

GRACE = 10.0
"""Seconds from when it is told to stop until it is killed, with all that it started."""
SLACK = 300.0
"""Seconds beyond its load and its drain after which it hangs: it starts, and sums up, slowly."""
KEPT_LINES = 40
ENDS = (signal.SIGINT, signal.SIGTERM)
LINE_BYTES = 2**20
WITH_KEY = Path(__file__).parent / "with_key.py"


def command(program: Path, arguments: Sequence[str]) -> list[str]:
    """With the key from the environment where there is one."""
    if KEY not in environment():
        return [str(program), *arguments]
    return [str(program.parent / "python"), str(WITH_KEY), str(program), *arguments]


@dataclass
class Ended:
    """`output` has its last lines; `interrupted` is whether somebody broke it off."""

    status: int
    output: str
    interrupted: bool


async def run(command: Sequence[str], seconds: float) -> Ended:
    """`seconds` is that of its load and its drain. Ctrl-C goes to aiperf, which then writes what it
    has; a second one ends it. Raises EngineFailed."""
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, child_guard.__file__, str(GRACE), *command],
        stdin=PIPE,
        stdout=PIPE,
        stderr=STDOUT,
        env=environment(),
        limit=LINE_BYTES,
        start_new_session=True,
    )
    assert process.stdin is not None
    try:
        with _interrupts(process) as interrupted:
            lines = await asyncio.wait_for(_read(process), seconds + SLACK)
    except TimeoutError:
        raise EngineFailed(f"aiperf did not end within {seconds + SLACK:g} s") from None
    finally:
        process.stdin.close()
        await process.wait()
    return Ended(process.returncode or 0, "\n".join(lines), bool(interrupted))


async def _read(process: Process) -> Sequence[str]:
    """Its last lines, when it has ended."""
    assert process.stdout is not None
    lines: deque[str] = deque(maxlen=KEPT_LINES)
    async for line in process.stdout:
        lines.append(line.decode(errors="replace").rstrip())
    return lines


@contextmanager
def _interrupts(process: Process) -> Iterator[list[int]]:
    """The signals to end that came meanwhile."""
    loop = asyncio.get_running_loop()
    came: list[int] = []

    def interrupt(number: int) -> None:
        came.append(number)
        if len(came) > 1 and process.stdin is not None:
            process.stdin.close()
            return
        with suppress(psutil.Error):
            for child in psutil.Process(process.pid).children():
                child.send_signal(signal.SIGINT)

    for number in ENDS:
        loop.add_signal_handler(number, interrupt, number)
    try:
        yield came
    finally:
        for number in ENDS:
            loop.remove_signal_handler(number)


def reason(output: str) -> str:
    """Of a failure, from the box in which aiperf tells it, in one line."""
    told = [line.strip("│ ") for line in output.splitlines() if line.startswith("│")]
    plain = [line.strip() for line in output.splitlines() if line.strip()]
    return " ".join(" ".join(told).split()) or (plain[-1] if plain else "it said nothing")
