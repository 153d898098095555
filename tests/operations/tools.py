"""Programs that these tests run, and what a test does without them."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.service_process import REPOSITORY

SCHEMAS = REPOSITORY / ".venv-schemas" / "bin" / "python"


def missing(message: str) -> None:
    """Skip, or fail where all has to be tested."""
    if os.environ.get("CI") or os.environ.get("LLM_TEST_ALL"):
        pytest.fail(message)
    pytest.skip(message)


def prometheus(program: str) -> str:
    """`prometheus` or `promtool`, as scripts/prometheus finds them."""
    unpacked = REPOSITORY / ".venv-prometheus" / "usr" / "bin" / program
    found = shutil.which(program) or (str(unpacked) if unpacked.exists() else None)
    if found is None:
        missing(f"{program} is not here: run scripts/prometheus")
    return str(found)


def run(*command: str | Path, folder: Path = REPOSITORY) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, command)), cwd=folder, capture_output=True, text=True, timeout=120
    )


def faults(*files: Path) -> list[str]:
    """What published schemas find wrong with these files, a line each."""
    if not SCHEMAS.exists():
        missing("the environment of the schemas is not here: run scripts/setup schemas")
    done = run(SCHEMAS, Path(__file__).with_name("schemas.py"), *files)
    assert not done.stderr, done.stderr
    assert done.returncode == (1 if done.stdout else 0)
    return done.stdout.splitlines()
