"""Each example runs as it is, against a service of what it needs."""

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.study.manifest import Status, load
from tests.conftest import EchoFactory
from tests.service_process import REPOSITORY, Service

EXAMPLES = REPOSITORY / "examples"
COMMANDS = {".py": [sys.executable], ".sh": ["sh", "-e"]}
OF_A_MODEL = {
    "chat_stream.py": "The capital of France is Paris.\nThe capital of Italy is Rome.\n",
    "generate.py": "The capital of France is Paris.\n",
    "generate.sh": "The capital of France is Paris.",
    "tools.py": """\
get_weather {"city": "Lima"} {'degrees': 18}
It is 18 degrees in Lima.
""",
}
"""What the demo model says in them, from the start."""


def output_of(name: str, service: Service) -> str:
    file = EXAMPLES / name
    done = subprocess.run(
        [*COMMANDS[file.suffix], file],
        env={**os.environ, "BASE_URL": service.url},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("backend_service", ["transformers"], indirect=True)
@pytest.mark.parametrize("name", OF_A_MODEL)
def test_an_example_shows_what_the_model_says(backend_service: Service, name: str) -> None:
    assert output_of(name, backend_service).startswith(OF_A_MODEL[name])


def test_texts_are_compared_by_their_vectors(echo_service: EchoFactory) -> None:
    lines = output_of("embeddings.py", echo_service(task="embed")).splitlines()
    assert all(re.fullmatch(r"a cat sleeps / .*: -?[01]\.\d{3}", line) for line in lines)
    assert len(lines) == 2


def test_a_batch_is_answered_line_by_line(echo_service: EchoFactory, tmp_path: Path) -> None:
    lines = output_of("batch.py", echo_service(batch_dir=str(tmp_path))).splitlines()
    assert lines[0].startswith("completed BatchRequestCounts(completed=3, failed=0, total=3)")
    assert [line.partition(":")[0] for line in lines[1:]] == ["France", "Italy", "Japan"]


def test_the_study_compares_both_backends(tmp_path: Path) -> None:
    """A cell is void where this machine was too busy for an exact client: that is for the client's
    tests."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.study", EXAMPLES / "study.yaml", "--out", tmp_path],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode in (0, 3), done.stderr
    manifest = load(tmp_path)
    assert manifest is not None
    assert Counter(cell.backend for cell in manifest.cells) == {"quick": 2, "slow": 2}
    assert {cell.status for cell in manifest.cells} <= {Status.OK, Status.VOID}


def test_every_example_is_listed_and_run() -> None:
    listed = re.findall(r"`(\w+\.(?:py|sh|yaml))`", (EXAMPLES / "README.md").read_text("utf-8"))
    files = {path.name for path in EXAMPLES.iterdir()} - {"README.md"}
    assert set(listed) == files == {*OF_A_MODEL, "embeddings.py", "batch.py", "study.yaml"}
