"""scripts/prove: one command, from a clone to a page and a record."""

import os
import subprocess
from pathlib import Path

import pytest

from acceptance import __main__ as command
from acceptance.__main__ import main
from acceptance.outcome import Outcome
from acceptance.steps import STEPS
from common.command_line import INTERRUPTED
from services._backends import load
from services._proofs import FOLDER, read_proofs
from tests.conftest import BACKENDS
from tests.limits import DEADLINE
from tests.service_process import REPOSITORY, eventually


def test_echo_is_proved_by_a_part_of_the_steps(tmp_path: Path) -> None:
    words = ["--only", "contract", "--select", "test_routes", "--folder", str(tmp_path)]
    done = subprocess.run(
        ["scripts/prove", "echo", *words],
        cwd=REPOSITORY,
        env={**os.environ, "LLM_TEST_ALL": ""},
        capture_output=True,
        text=True,
    )
    page = (tmp_path / "echo" / "page.md").read_text()
    assert done.returncode == 0, done.stderr + page
    assert done.stdout == f"echo: all passed; see {tmp_path / 'echo' / 'page.md'}\n"
    assert "# echo: 4 of 4 steps passed" in page
    assert "engine: 1" in page
    assert "recorded" not in done.stderr
    assert (tmp_path / "echo" / "contract.log").exists()


def test_a_stop_signal_leaves_nothing_of_the_step_that_runs(tmp_path: Path) -> None:
    words = ["scripts/prove", "echo", "--only", "start", "--folder", str(tmp_path / "logs")]
    process = subprocess.Popen(
        words, cwd=REPOSITORY, env={**os.environ, "TMPDIR": str(tmp_path)}, stderr=subprocess.PIPE
    )
    eventually(lambda: any(tmp_path.glob("prove-*")), DEADLINE, "a step runs")
    process.terminate()
    assert process.wait(DEADLINE) == INTERRUPTED
    assert process.communicate()[1].endswith(b"interrupted\n")
    assert not any(tmp_path.glob("prove-*"))


def test_several_backends_have_a_line_each_on_one_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where none is named, one that the machine cannot run is no failure."""
    ends = {
        "echo": {"machine": Outcome("passed", tests=2, seconds=1.4)},
        "tgi": {"machine": Outcome("failed", reasons=["no launcher"])},
        "vllm": {"machine": Outcome("passed"), "load": Outcome("failed", reasons=["slow"])},
    }
    monkeypatch.setattr(command, "backends", lambda: list(ends))
    monkeypatch.setattr(command, "prove", lambda backend, here, wish: ends[backend])
    assert main(["--folder", str(tmp_path)]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == f"all of them: {tmp_path / 'page.md'}"
    lines = (tmp_path / "page.md").read_text().splitlines()
    assert lines[0].startswith("# 3 backends on ")
    assert lines[-3:] == [
        "| [echo](echo/page.md) | all passed | 2 | 1 |",
        "| [tgi](tgi/page.md) | cannot run here: no launcher |  | 0 |",
        "| [vllm](vllm/page.md) | not passed: load |  | 0 |",
    ]


def test_the_steps_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [step.name for step in STEPS]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["no_backend"], "error: no backend 'no_backend'; there are: echo"),
        (["echo", "--environment", "/nowhere"], "error: --environment: there is no /nowhere/bin"),
        (["--environment", str(REPOSITORY / ".venv")], "error: --environment: it has one engine"),
    ],
)
def test_a_mistake_is_one_line(
    words: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith(line)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_backend_that_was_proved_says_so_in_one_place(backend: str) -> None:
    _, engine = load(backend)
    for kind, proof in read_proofs(backend).items():
        assert getattr(engine.tested, kind) is None, f"{kind}: services/proofs has it"
        assert proof.tests > 0


def test_every_record_is_of_a_backend() -> None:
    assert {file.stem for file in FOLDER.glob("*.toml")} <= set(BACKENDS)
