"""Temporary directories: kept while their process lives, removed at the next start."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from common.processes.scratch import Scratch

OTHER = """
import sys, time
from common.processes.scratch import Scratch
scratch = Scratch("llm-a-")
print(scratch.path, flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


@contextmanager
def other_process() -> Iterator[Path]:
    """The directory of another process, which is killed at the end."""
    with subprocess.Popen([sys.executable, "-c", OTHER], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield Path(process.stdout.readline().decode().strip())
        finally:
            process.kill()


def test_a_directory_outlives_every_other_start_and_not_the_one_after_its_process(
    folder: Path,
) -> None:
    with other_process() as theirs:
        mine = Scratch("llm-a-")
        assert theirs.is_dir()
        assert mine.path.is_dir()
        assert mine.path != theirs
    assert theirs.is_dir()
    Scratch("llm-b-").remove()
    assert theirs.is_dir(), "another prefix's"
    last = Scratch("llm-a-")
    assert {*folder.iterdir()} == {mine.path, last.path}
    mine.remove()
    last.remove()
    assert not [*folder.iterdir()]


def test_what_others_call_the_same_is_left_alone(folder: Path) -> None:
    (folder / "llm-a-photos").mkdir()
    (folder / "llm-a-list").write_text("milk")
    Scratch("llm-a-").remove()
    assert {path.name for path in folder.iterdir()} == {"llm-a-photos", "llm-a-list"}
