"""Runs a builder as a person does, in a BENTOML_HOME of its own."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil

from common.models.artifacts import Artifact
from common.models.artifacts.manifest import read_manifest
from tests.limits import BUILD_DEADLINE
from tests.service_process import REPOSITORY


@dataclass
class Home:
    """A model store and a module that builds into it."""

    path: Path
    module: str = "tests.builder.toy"
    trouble: str = ""
    """For the doubles of tools: see tests/doubles/build_tools/behaviour.py."""

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        environment = {
            **os.environ,
            "BENTOML_HOME": str(self.path),
            "BENTOML_DO_NOT_TRACK": "True",
            "TOOL_DOUBLE": self.trouble,
        }
        return subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", self.module, *arguments],
            cwd=REPOSITORY,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, status: int = 0) -> str:
        """Both outputs; the status has to be as given."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=BUILD_DEADLINE)
        assert process.returncode == status, out + err
        return out + err

    def refusal(self, *arguments: str) -> str:
        """The one line of a build that must not come about."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=BUILD_DEADLINE)
        assert process.returncode == 1, out + err
        (line,) = err.splitlines()
        assert line.startswith("error: ")
        return line

    def build(self, *arguments: str) -> Artifact:
        """What was made, or was there already."""
        out = self.run(*arguments)
        found = re.search(r"^(?:built )?(\S+:\w+) (?:is there already|in \d+ s): (.+)$", out, re.M)
        assert found is not None, out
        path = Path(found[2])
        return Artifact(found[1], path, read_manifest(path))

    def left(self) -> list[str]:
        """What lies in the store and where builds happen, but for logs."""
        files = (file.relative_to(self.path) for file in self.path.rglob("*") if file.is_file())
        names = [str(file) for file in files if file.suffix != ".log"]
        return [name for name in names if name.startswith(("models", "llm-builds"))]


def tool_of(builder: subprocess.Popen[str]) -> list[psutil.Process]:
    """The keeper and the tool, once the tool works at its result."""
    assert builder.stdout is not None
    while builder.stdout.readline() != "working\n":
        assert builder.poll() is None
    return psutil.Process(builder.pid).children(recursive=True)


def gone(processes: list[psutil.Process]) -> bool:
    return not any(
        process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes
    )
