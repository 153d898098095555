"""Runs the contract suite over a bento that is served from its store."""

import json
import os
import re
import subprocess
import sys

from tests.service_process import REPOSITORY, Installed

DEPEND_ON_PACKAGING = ("test_generate.py", "test_chat.py", "test_models_and_tokens.py")
"""Files that use all of a bento: engine, tokenizer, chat template and the names of the model."""
FEWEST = 20
"""Tests: fewer have not been selected as they should be."""


def run_suite(bento: Installed, *names: str) -> None:
    """Runs the files in tests/contract of these names. Raises AssertionError with their report."""
    values = {"backend": bento.backend, "tag": bento.tag}
    values |= {"home": str(bento.home), "python": str(bento.python)}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-k", bento.backend]
    done = subprocess.run(
        [*command, *(f"tests/contract/{name}" for name in names)],
        cwd=REPOSITORY,
        env={**os.environ, "LLM_TEST_BENTO": json.dumps(values)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) >= FEWEST
