from pathlib import Path

import pytest

from benchmarks.imports.__main__ import main
from benchmarks.results import files
from tests.benchmarks.imports.support import RECORDED


def test_a_run_of_aiperf_becomes_a_result_that_can_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["aiperf", str(RECORDED / "aiperf-error"), "--out", str(tmp_path), "--backend", "vLLM"]

    assert main([*given, "--model", "demo"]) == 0

    imported = files.read(tmp_path)
    assert (imported.subject.backend, imported.subject.model) == ("vLLM", "demo")
    assert len(list(files.requests(tmp_path))) == 75
    assert "outcomes: 50 ok, 12 in_band_error" in capsys.readouterr().out


def test_a_void_run_is_written_and_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["aiperf", str(RECORDED / "aiperf-grace"), "--out", str(tmp_path)]) == 3

    assert not files.read(tmp_path).verdict.valid
    assert "void: only 2.7 of 4 users" in capsys.readouterr().out


def test_a_run_of_vllm_bench_becomes_a_result(tmp_path: Path) -> None:
    assert main(["vllm", str(RECORDED / "vllm-cut.json"), "--out", str(tmp_path)]) == 0
    assert files.read(tmp_path).client == "vllm-bench"


@pytest.mark.parametrize(
    ("tool", "says"),
    [
        ("aiperf", "profile_export_aiperf.json is missing"),
        ("vllm", "nowhere: No such file"),
    ],
)
def test_what_cannot_be_imported_is_one_line(
    tool: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([tool, str(RECORDED / "nowhere"), "--out", str(tmp_path / "out")]) == 1

    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert says in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()
