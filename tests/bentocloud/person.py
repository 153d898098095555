"""Runs scripts/deploy, and BentoML's own commands, as a person does."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.doubles.bentocloud.cloud import BentoCloud
from tests.service_process import REPOSITORY

DEADLINE = 300
"""Seconds: for a hang, not for speed."""


@dataclass
class Person:
    """Someone with a store of their own, the login of `cloud`, and other variables."""

    home: Path
    cloud: BentoCloud | None = None
    variables: Mapping[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("BENTO_CLOUD")}
        path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
        own = {"BENTOML_HOME": str(self.home), "BENTOML_DO_NOT_TRACK": "True", "PATH": path}
        if self.cloud is not None:
            own["BENTO_CLOUD_API_ENDPOINT"] = self.cloud.url
            own["BENTO_CLOUD_API_KEY"] = self.cloud.token
        return {**kept, **own, **self.variables}

    def run(self, *command: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        """Runs a command that has to end with this exit status."""
        done = subprocess.run(
            command,
            cwd=REPOSITORY,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done

    def deploy(self, *arguments: str) -> str:
        """Returns the standard output."""
        return self.run("scripts/deploy", *arguments).stdout

    def refusal(self, *arguments: str) -> str:
        """Returns the one line of a deployment that must not come about, after that of its plan."""
        done = self.run("scripts/deploy", *arguments, status=1)
        (line,) = [line for line in done.stderr.splitlines() if not line.startswith("plan: ")]
        assert line.startswith("error: ")
        return line.removeprefix("error: ")

    def bentos(self) -> list[str]:
        """Returns the tags in the store, as its folders tell."""
        files = (self.home / "bentos").glob("*/*/bento.yaml")
        return sorted(f"{file.parent.parent.name}:{file.parent.name}" for file in files)
