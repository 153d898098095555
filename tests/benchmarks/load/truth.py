"""The truth server, and the client's command line against it."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from benchmarks.results import files
from benchmarks.results.schema import Request, Result
from tests.service_process import REPOSITORY

TRIES = 6
"""Of a run that is void because others had the processors."""


@dataclass
class TruthServer:
    url: str

    def truth(self) -> dict[str, Any]:
        told: dict[str, Any] = httpx.get(f"{self.url}/truth", timeout=30).json()
        return told

    def forget(self) -> None:
        httpx.delete(f"{self.url}/truth", timeout=30)


@contextlib.contextmanager
def truth_server(**behaviour: object) -> Iterator[TruthServer]:
    """`behaviour` has the fields of benchmarks.known_server.behaviour."""
    words = [f"--{name.replace('_', '-')}={value}" for name, value in behaviour.items()]
    words = [word.removesuffix("=True") for word in words]
    words = [f"--no-{word[2:-6]}" if word.endswith("=False") else word for word in words]
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.known_server", *words],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield TruthServer(process.stdout.readline().strip())
    finally:
        process.kill()
        process.communicate()


@dataclass
class Run:
    status: int
    out: str
    err: str
    folder: Path

    @property
    def result(self) -> Result:
        return files.read(self.folder)

    @property
    def requests(self) -> list[Request]:
        return list(files.requests(self.folder))


def words(options: Mapping[str, object]) -> list[str]:
    """Returns options of a command line."""
    return [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]


def load(url: str, folder: Path, **options: object) -> Run:
    """python -m benchmarks.load, with options by their names."""
    return load_through((), url, folder, **options)


def load_through(command: Sequence[str], url: str, folder: Path, **options: object) -> Run:
    """Started by a command that takes it as arguments."""
    done = subprocess.run(
        [
            *command,
            sys.executable,
            "-m",
            "benchmarks.load",
            url,
            *words({**options, "out": folder}),
        ],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return Run(done.returncode, done.stdout, done.stderr, folder)


def undisturbed(server: TruthServer, folder: Path, **options: object) -> Run:
    """A valid run, however often it takes; the server counts from its warm-up on."""
    for number in range(TRIES):
        run = load(server.url, folder / str(number), **options)
        if run.status == 0:
            return run
    raise AssertionError(run.out + run.err)


def lines(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    return path
