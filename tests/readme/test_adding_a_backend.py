"""Whoever follows docs/adding_a_backend.md to the letter has a backend that keeps the contract."""

import filecmp
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.service_process import REPOSITORY

PAGE = (REPOSITORY / "docs" / "adding_a_backend.md").read_text("utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
HEADINGS = re.findall(r"^\*\*\d\. (.*?)\*\*", PAGE, re.MULTILINE | re.DOTALL)
NAMED_FILES = {name for heading in HEADINGS for name in re.findall(r"`([^`]+)`", heading)}
SUITE = ("test_capabilities.py", "test_chat.py", "test_completions.py", "test_generate.py")
FILES = ("tests/test_layout.py", "tests/bentocloud/test_files.py")
"""Tests that say which file of a backend is missing or wrong."""
SCREEN = 100
"""Lines."""


def tracked_files() -> list[str]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.splitlines() if (REPOSITORY / name).is_file()]


def run(command: list[str], folder: Path) -> str:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository in which every step of the page was taken."""
    copy = tmp_path_factory.mktemp("repository")
    for name in tracked_files():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPOSITORY / name, copy / name)
    for kind, code in BLOCKS:
        if kind == "python":
            (copy / "services" / "parrot.py").write_text(code, "utf-8")
        elif kind == "toml":
            project = copy / "pyproject.toml"
            head, table, rest = project.read_text("utf-8").partition(
                "[project.optional-dependencies]\n"
            )
            project.write_text(head + table + code + rest, "utf-8")
        else:
            run(["sh", "-ec", code], copy)
    return copy


def test_the_page_is_one_screen() -> None:
    assert len(PAGE.splitlines()) <= SCREEN


def test_only_the_files_that_it_names_have_changed(followed: Path) -> None:
    before = set(tracked_files())
    made = {str(path.relative_to(followed)) for path in followed.rglob("*") if path.is_file()}
    made = {name for name in made if "__pycache__" not in name and ".pytest_cache" not in name}
    kept = [name for name in before if (followed / name).exists()]
    _, changed, errors = filecmp.cmpfiles(REPOSITORY, followed, kept, shallow=False)
    assert not errors
    assert before <= made
    assert {*changed, *(made - before)} == NAMED_FILES


def test_the_new_backend_keeps_the_contract(followed: Path) -> None:
    suite = [f"tests/contract/{name}" for name in SUITE]
    pytest_command = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider"]
    out = run([*pytest_command, "-k", "parrot", *suite, *FILES], followed)
    passed = re.search(r"(\d+) passed", out)
    assert passed is not None
    assert int(passed[1]) > 60
