"""Study files, and the runner as a user starts it."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest.mock import patch

import yaml

from benchmarks.load.spec import Spec
from benchmarks.study.__main__ import main
from benchmarks.study.manifest import CellEntry, Manifest, load
from tests.service_process import REPOSITORY

PROGRAM = (sys.executable, "-m", "tests.benchmarks.study.stand_in")
RUN = """
import sys
from benchmarks.study.__main__ import main
sys.exit(main(program=(sys.executable, "-m", "tests.benchmarks.study.stand_in")))
"""
"""The command, with the stand-in for its client."""
SECONDS = 120.0


def study(**fields: Any) -> dict[str, Any]:
    """One that takes no time, of one backend, but for `fields`."""
    return {
        "name": "a study",
        "load": {"users": [1, 2], "duration": 1, "ramp": 0.5},
        "backends": [{"backend": "echo"}],
        "order": "listed",
        "start_timeout": 60,
        **fields,
    }


def written(folder: Path, value: dict[str, Any] | str) -> Path:
    file = folder / "study.yaml"
    file.write_text(value if isinstance(value, str) else yaml.safe_dump(value, sort_keys=False))
    return file


class Run:
    """The runner in a folder, as often as asked; `calls` are the loads that its client got."""

    def __init__(self, folder: Path, program: tuple[str, ...] = PROGRAM) -> None:
        self._program = program
        self.folder = folder
        self.out = folder / "out"
        self._calls = folder / "calls"

    def start(self, *words: str, acts: dict[int, str] | None = None) -> subprocess.Popen[str]:
        """As a process of its own, to be interrupted."""
        return subprocess.Popen(
            [sys.executable, "-c", RUN, self.folder / "study.yaml", "--out", self.out, *words],
            cwd=REPOSITORY,
            env={**os.environ, **self._environment(acts)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __call__(self, *words: str, acts: dict[int, str] | None = None) -> tuple[int, str]:
        """Its exit status and what it said."""
        arguments = [str(self.folder / "study.yaml"), "--out", str(self.out), *words]
        with (
            patch.dict(os.environ, self._environment(acts)),
            redirect_stdout(io.StringIO()) as output,
            redirect_stderr(output),
        ):
            status = main(arguments, self._program)
        return status, output.getvalue()

    def _environment(self, acts: dict[int, str] | None) -> dict[str, str]:
        return {"STAND_IN": json.dumps(acts or {}), "STAND_IN_CALLS": str(self._calls)}

    @property
    def manifest(self) -> Manifest:
        manifest = load(self.out)
        assert manifest is not None
        return manifest

    @property
    def entries(self) -> list[CellEntry]:
        return list(self.manifest.cells)

    @property
    def statuses(self) -> list[str]:
        return [str(entry.status) for entry in self.entries]

    @property
    def calls(self) -> list[Spec]:
        lines = self._calls.read_text().splitlines() if self._calls.exists() else []
        return [*map(Spec.model_validate_json, lines)]


def interrupt(process: subprocess.Popen[str], number: signal.Signals) -> tuple[int, str]:
    process.send_signal(number)
    output, _ = process.communicate(timeout=SECONDS)
    return process.returncode, output


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        models = self.path == "/v1/models"
        body = json.dumps({"data": [{"id": "its-model", "backend_version": "9.9"}]}).encode()
        self.send_response(200 if models else 404)
        self.end_headers()
        self.wfile.write(body if models else b"")

    def log_message(self, *_: Any) -> None:
        """Not into the test's output."""


@contextmanager
def an_endpoint() -> Iterator[str]:
    """A server of somebody else's: it has /v1/models and nothing of ours. Its URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
