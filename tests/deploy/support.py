"""Runs scripts/deploy, and BentoML's own commands, as a person does."""

import os
import subprocess
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.service_process import REPOSITORY

# bentoml's own imports warn, and here every warning is an error.
with warnings.catch_warnings(action="ignore"):
    from tests.doubles.bentocloud.cloud import BentoCloud

__all__ = ["BentoCloud", "Person"]
DEADLINE = 300
"""Seconds: for a hang, not for speed."""


@dataclass
class Person:
    """Someone with a store of their own, and the login of `cloud` if there is one."""

    home: Path
    cloud: BentoCloud | None = None
    limit: str = ""
    """A shell command that comes first, such as a ulimit."""
    extra: Mapping[str, str] = field(default_factory=dict)
    """Environment variables."""

    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("BENTO_CLOUD")}
        found = {**kept, "BENTOML_HOME": str(self.home), "BENTOML_DO_NOT_TRACK": "True"}
        if self.cloud is not None:
            found["BENTO_CLOUD_API_ENDPOINT"] = self.cloud.url
            found["BENTO_CLOUD_API_KEY"] = self.cloud.token
        return {**found, **self.extra}

    def run(self, *command: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        """The exit status has to be as given."""
        if self.limit:
            command = ("sh", "-c", f'{self.limit} && exec "$@"', "sh", *command)
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

    def bentoml(self, *arguments: str, status: int = 0) -> str:
        """Both outputs."""
        program = str(Path(sys.executable).with_name("bentoml"))
        done = self.run(program, *arguments, status=status)
        return done.stdout + done.stderr

    def deploy(self, *arguments: str) -> str:
        return self.run("scripts/deploy", *arguments).stdout

    def refusal(self, *arguments: str) -> str:
        """The one line of a deployment that must not come about, but for that of its plan."""
        done = self.run("scripts/deploy", *arguments, status=1)
        (line,) = [one for one in done.stderr.splitlines() if not one.startswith("plan: ")]
        assert line.startswith("error: ")
        return line

    def bentos(self) -> list[str]:
        """Tags in the store, as its folders tell."""
        found = (self.home / "bentos").glob("*/*/bento.yaml")
        return sorted(f"{file.parent.parent.name}:{file.parent.name}" for file in found)
