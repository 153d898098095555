"""Where aiperf is, and that it is the one that is known here."""

import asyncio
import os
import shutil
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path

from benchmarks.load_generators.aiperf.errors import EngineFailed

ROOT = Path(__file__).parents[3]
VERSION = "0.13.0"
OWN = ROOT / ".venv-aiperf" / "bin" / "aiperf"
VARIABLE = "AIPERF"
INSTALL = f"python -m venv .venv-aiperf && .venv-aiperf/bin/pip install aiperf=={VERSION}"
TIMEOUT = 120.0
"""Seconds in which it tells its version; it imports much."""


def find() -> Path:
    """That of the variable AIPERF, in the environment of its own, or on PATH. Raises
    EngineFailed."""
    found = os.environ.get(VARIABLE) or (str(OWN) if OWN.exists() else shutil.which("aiperf"))
    if found is None:
        raise EngineFailed(f"aiperf is missing; this installs it: {INSTALL}")
    return Path(found)


async def check(program: Path) -> None:
    """How a record is to be judged is known of one version only. Raises EngineFailed."""
    try:
        process = await asyncio.create_subprocess_exec(
            program, "--version", stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL, env=environment()
        )
    except OSError as error:
        raise EngineFailed(f"{program}: {error.strerror}") from None
    try:
        output, _ = await asyncio.wait_for(process.communicate(), TIMEOUT)
    except TimeoutError:
        raise EngineFailed(f"{program} --version said nothing within {TIMEOUT:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    said = output.decode(errors="replace").strip() or f"exit status {process.returncode}"
    if said != VERSION:
        raise EngineFailed(f"aiperf {said} is unknown; this installs {VERSION}: {INSTALL}")


def environment() -> dict[str, str]:
    """Ours, without what makes it look up a tokenizer's folder as a name on the hub."""
    return {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
