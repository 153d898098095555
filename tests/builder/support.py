"""Runs a builder as a person does, in a BENTOML_HOME of its own."""

import importlib
import io
import os
import re
import signal
import subprocess
import sys
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import psutil

from common.models.artifacts import Artifact
from common.models.artifacts.manifest import read_manifest
from tests.limits import BUILD_DEADLINE, DEADLINE
from tests.service_process import REPOSITORY, eventually


@dataclass
class Home:
    """A model store and a module that builds into it.

    The module's `main` is called in this process, whose imports are there already, unless
    `process` asks for the command that a person types.
    """

    path: Path
    module: str = "tests.builder.toy"
    trouble: str = ""
    """For the doubles of tools: see tests/doubles/build_tools/behaviour.py."""
    process: bool = False

    @property
    def _environment(self) -> dict[str, str]:
        return {
            "BENTOML_HOME": str(self.path),
            "BENTOML_DO_NOT_TRACK": "True",
            "TOOL_DOUBLE": self.trouble,
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", self.module, *arguments],
            cwd=REPOSITORY,
            env={**os.environ, **self._environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def call(self, *arguments: str) -> tuple[int, str, str]:
        """Returns the exit status and both outputs."""
        if self.process:
            process = self.start(*arguments)
            out, err = process.communicate(timeout=BUILD_DEADLINE)
            return process.returncode, out, err
        return self._call_here(arguments)

    def _call_here(self, arguments: tuple[str, ...]) -> tuple[int, str, str]:
        from bentoml._internal.configuration.containers import BentoMLContainer

        out, err = io.BytesIO(), io.BytesIO()
        added = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
        terminate = signal.getsignal(signal.SIGTERM)
        with ExitStack() as stack:
            stack.enter_context(mock.patch.dict(os.environ, self._environment))
            stack.enter_context(mock.patch.object(sys, "argv", [self.module, *arguments]))
            stack.enter_context(mock.patch.object(sys, "path", [*added, *sys.path]))
            stack.enter_context(BentoMLContainer.model_store_dir.patch(str(self.path / "models")))
            stack.enter_context(redirect_stdout(io.TextIOWrapper(out, write_through=True)))
            stack.enter_context(redirect_stderr(io.TextIOWrapper(err, write_through=True)))
            stack.callback(signal.signal, signal.SIGTERM, terminate)
            try:
                status = self._main()
            except SystemExit as ended:
                status = int(ended.code or 0)
            return status, out.getvalue().decode(), err.getvalue().decode()

    def _main(self) -> int:
        module = importlib.import_module(self.module)
        if hasattr(module, "__path__"):
            module = importlib.import_module(f"{self.module}.__main__")
        return int(module.main())

    def run(self, *arguments: str, status: int = 0) -> str:
        """Both outputs; the status has to be as given."""
        code, out, err = self.call(*arguments)
        assert code == status, out + err
        return out + err

    def refusal(self, *arguments: str) -> str:
        """The one line of a build that must not come about."""
        code, out, err = self.call(*arguments)
        assert code == 1, out + err
        (line,) = err.splitlines()
        assert line.startswith("error: ")
        return line

    def build(self, *arguments: str) -> Artifact:
        """What was built, or was there already."""
        out = self.run(*arguments)
        found = re.search(r"^(?:built )?(\S+:\w+) (?:is there already|in \d+ s): (.+)$", out, re.M)
        assert found is not None, out
        path = Path(found[2])
        return Artifact(found[1], path, read_manifest(path))

    def interrupt(self, number: int, *arguments: str) -> None:
        """Sends a signal to a build whose tool hangs; the tool has to end, too."""
        with self.start(*arguments) as builder:
            tools = tool_of(builder)
            builder.send_signal(number)
            builder.communicate(timeout=DEADLINE)
        eventually(lambda: gone(tools), DEADLINE, "the tool has ended")

    def left(self) -> list[str]:
        """What lies in the store and where builds happen, but for logs."""
        files = (file.relative_to(self.path) for file in self.path.rglob("*") if file.is_file())
        names = [str(file) for file in files if file.suffix != ".log"]
        return [name for name in names if name.startswith(("models", "llm-builds"))]


def tool_of(builder: subprocess.Popen[str]) -> list[psutil.Process]:
    """The child guard and the tool, once the tool works at its result."""
    assert builder.stdout is not None
    while builder.stdout.readline() != "working\n":
        assert builder.poll() is None
    return psutil.Process(builder.pid).children(recursive=True)


def gone(processes: list[psutil.Process]) -> bool:
    return not any(
        process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes
    )
