"""Runs the contract suite over a bento that is served from its store."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.service_process import REPOSITORY, Installed

CONTRACT = REPOSITORY / "tests" / "contract"
DEPEND_ON_PACKAGING = tuple(
    CONTRACT / f"test_{name}.py" for name in ("completions", "models_and_tokens", "tools")
)
"""Files that use all of a bento: engine, tokenizer, chat template and the names of the model. They
ask for few tokens."""
SHARED_CODE = (
    *DEPEND_ON_PACKAGING,
    CONTRACT / "test_cancellation.py",
    CONTRACT / "test_chat.py",
    CONTRACT / "test_errors.py",
    CONTRACT / "test_generate.py",
    CONTRACT / "test_operations.py",
)
"""Files that reach every module of the shared code, and so show one, or a package, that a bento
lacks. The other files ask the same code for more values, which are the same in a bento."""
FEWEST = 20
"""Tests: fewer have not been selected as they should be."""


def run_suite(bento: Installed, *files: Path) -> None:
    """Runs the tests of these files that ask `backend_service`, which is then the bento's.

    Raises AssertionError with their report.
    """
    values = {"backend": bento.backend, "tag": bento.tag}
    values |= {"home": str(bento.home), "python": str(bento.python)}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *files],
        cwd=REPOSITORY,
        env={**os.environ, "LLM_TEST_BENTO": json.dumps(values)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) >= FEWEST
