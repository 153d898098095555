"""aiperf as a process that ends with us, however we end."""

import asyncio
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from benchmarks.engines.aiperf.errors import EngineFailed
from benchmarks.engines.aiperf.program import environment
from benchmarks.load.connection import KEY
from common.supervision import keeper

GRACE = 10.0
"""Seconds from when it is told to stop until it is killed, with all that it started."""
SLACK = 300.0
"""Seconds beyond its load and its drain after which it hangs: it starts, and sums up, slowly."""
KEPT_LINES = 40
LINE_BYTES = 2**20
WITH_KEY = Path(__file__).parent / "with_key.py"


def command(program: Path, arguments: Sequence[str]) -> list[str]:
    """With the key from the environment where there is one."""
    if KEY not in environment():
        return [str(program), *arguments]
    return [str(program.parent / "python"), str(WITH_KEY), str(program), *arguments]


async def run(command: Sequence[str], seconds: float) -> tuple[int, str]:
    """Its exit status and its last lines; `seconds` is that of its load and its drain. Raises
    EngineFailed."""
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, keeper.__file__, str(GRACE), *command],
        stdin=PIPE,
        stdout=PIPE,
        stderr=STDOUT,
        env=environment(),
        limit=LINE_BYTES,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    lines: deque[str] = deque(maxlen=KEPT_LINES)
    try:
        async with asyncio.timeout(seconds + SLACK):
            async for line in process.stdout:
                lines.append(line.decode(errors="replace").rstrip())
    except TimeoutError:
        raise EngineFailed(f"aiperf did not end within {seconds + SLACK:g} s") from None
    finally:
        process.stdin.close()
        await process.wait()
    return process.returncode or 0, "\n".join(lines)


def reason(output: str) -> str:
    """Of a failure, from the box in which aiperf tells it, in one line."""
    told = [line.strip("│ ") for line in output.splitlines() if line.startswith("│")]
    plain = [line.strip() for line in output.splitlines() if line.strip()]
    return " ".join(" ".join(told).split()) or (plain[-1] if plain else "it said nothing")
