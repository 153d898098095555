"""Runs the commands of a build: streamed to the terminal and a log, ended with us, never left."""

import os
import subprocess
import sys
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from build_scripts.builder.errors import BuildError
from build_scripts.builder.recipe import Step
from common.processes.guarded import guarded_command
from common.secrets import forget_secrets

GRACE = 5.0
"""Seconds that a tool gets to end by itself when we are interrupted."""
SHOWN_LINES = 5
NOT_FOUND = 127
CHUNK = 65536


def run_steps(steps: Iterable[Step], log: Path) -> None:
    """Runs one after another. Raises BuildError with the last lines of the first that fails."""
    steps = list(steps)
    with log.open("ab") as file:
        for number, step in enumerate(steps, 1):
            title = f"[{number}/{len(steps)}] {step.title}: {step.line}\n"
            print(title, end="", flush=True)
            file.write(title.encode())
            file.flush()
            _run(step, file)


def _run(step: Step, log: IO[bytes]) -> None:
    """Runs it under a guard, which ends the tool and all it started when this process is gone."""
    environment = {**os.environ, **step.environment}
    forget_secrets(environment)
    process = subprocess.Popen(
        guarded_command(step.argv, GRACE),
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        last = _stream(process.stdout, log)
        status = process.wait()
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()
    if status:
        raise BuildError(_failure(step, status, last, Path(log.name)))


def _stream(output: IO[bytes], log: IO[bytes]) -> list[str]:
    """Passes everything on as it comes, progress bars too, and returns the last lines."""
    tail: deque[bytes] = deque(maxlen=4)
    while data := os.read(output.fileno(), CHUNK):
        log.write(data)
        log.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
        tail.append(data)
    lines = b"".join(tail).decode("utf-8", "replace").replace("\r", "\n").splitlines()
    return [line.strip() for line in lines if line.strip()][-SHOWN_LINES:]


def _failure(step: Step, status: int, last: list[str], log: Path) -> str:
    program = step.argv[0]
    if status == NOT_FOUND:
        return f"{program} cannot be run; the log is {log}"
    tail = f": {' | '.join(last)}" if last else ""
    return f"{step.title} failed: {program} ended with status {status}{tail}; the log is {log}"
