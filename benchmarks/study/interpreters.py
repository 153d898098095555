"""Which Python has a backend's engine."""

import asyncio
import subprocess
import sys
import tomllib
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

from packaging.requirements import Requirement

from build_scripts.builder.packages import installed

ROOT = Path(__file__).parents[2]
ALSO = (
    *("bentoml", "torch", "transformers", "tokenizers", "flashinfer-python", "xgrammar"),
    *("starlette", "uvicorn", "uvloop", "httptools", "orjson"),
)


class NoInterpreter(Exception):
    """One line that says why there is none, then the last ones of what was tried."""


async def interpreter(backend: str | None) -> Path:
    """Returns that of the backend's own environment as it is; else this one, if it has what the
    backend's extra asks for, or there is no backend; else that of the environment which
    scripts/setup makes. Raises NoInterpreter."""
    if backend is None:
        return Path(sys.executable)
    own = ROOT / f".venv-{backend}" / "bin" / "python"
    if own.exists():
        return own
    if await _status(sys.executable, "scripts/extra_is_met.py", backend) == 0:
        return Path(sys.executable)
    process = await asyncio.create_subprocess_exec(
        "scripts/setup", backend, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=PIPE, stderr=PIPE
    )
    try:
        output, errors = await process.communicate()
    except asyncio.CancelledError:
        process.terminate()
        await process.wait()
        raise
    if process.returncode != 0:
        raise NoInterpreter(errors.decode("utf-8", "replace").strip())
    return ROOT / output.decode().splitlines()[-1] / "bin" / "python"


async def versions(python: Path, backend: str | None) -> dict[str, str]:
    """Returns those of the packages in its environment that make up the engine; empty when it
    cannot tell."""
    return await asyncio.to_thread(installed, [str(python)], _packages(backend))


def _packages(backend: str | None) -> list[str]:
    """Returns their names, also those of their builds for a CPU."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extra = project["optional-dependencies"].get(backend, []) if backend else []
    names = [Requirement(line).name for line in extra]
    return sorted({*names, *(f"{name}-cpu" for name in names), *ALSO})


async def _status(*command: str) -> int:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=STDOUT
    )
    return await process.wait()
