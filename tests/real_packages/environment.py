"""The environment with the packages themselves, `.venv-contracts`, made by scripts/setup."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.service_process import REPOSITORY

PYTHON = REPOSITORY / ".venv-contracts" / "bin" / "python"
HERE = Path(__file__).parent


def require() -> None:
    """Skip, or fail where everything has to be tested, when the environment is not there."""
    if PYTHON.exists():
        return
    message = ".venv-contracts is not there: scripts/setup contracts"
    if os.environ.get("CI") or os.environ.get("LLM_TEST_ALL"):
        pytest.fail(message)
    pytest.skip(message)


def run(*arguments: str | Path, given: Any = None, **environment: str) -> str:
    """What a program prints in that environment, at the root of the repository."""
    require()
    done = subprocess.run(
        [PYTHON, "-W", "ignore", *arguments],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environment},
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def answer(script: str, *arguments: str | Path, given: Any = None) -> Any:
    """The JSON that a script of this folder prints last."""
    return json.loads(run(HERE / script, *arguments, given=given).splitlines()[-1])
