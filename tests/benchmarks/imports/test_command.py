import json
from pathlib import Path

import pytest

from benchmarks.imports.__main__ import main
from benchmarks.results import files
from benchmarks.results.schema import Subject
from tests.benchmarks.imports.support import RECORDED


def test_a_run_of_aiperf_becomes_a_result_that_can_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["aiperf", str(RECORDED / "aiperf-error"), "--out", str(tmp_path), "--backend", "vLLM"]

    assert main([*given, "--model", "demo"]) == 0

    imported = files.read(tmp_path)
    assert (imported.subject.backend, imported.subject.model) == ("vLLM", "demo")
    assert len(list(files.requests(tmp_path))) == 75
    assert "75 requests, 15 of them failed (15 in_band_error, 60 ok)" in capsys.readouterr().out


def test_a_void_run_is_written_and_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["aiperf", str(RECORDED / "aiperf-grace"), "--out", str(tmp_path)]) == 3

    assert not files.read(tmp_path).verdict.valid
    assert "void: only 2.7 of 4 users" in capsys.readouterr().out


def test_a_run_of_vllm_bench_takes_a_whole_subject(tmp_path: Path) -> None:
    subject = Subject(backend="vLLM", model="demo", quantization="awq", url="http://host:1")
    path = tmp_path / "subject.json"
    path.write_text(subject.model_dump_json())
    given = ["vllm", str(RECORDED / "vllm-cut.json"), "--out", str(tmp_path), "--subject"]

    assert main([*given, str(path)]) == 0
    assert files.read(tmp_path).subject == subject


@pytest.mark.parametrize(
    ("tool", "path", "more", "says"),
    [
        ("aiperf", "nowhere", [], "profile_export_aiperf.json is missing"),
        ("vllm", "nowhere", [], "nowhere: No such file"),
        ("vllm", "vllm-cut.json", ["--url", "host"], "begins with http://"),
        ("aiperf", "aiperf-error", ["--url", "http://host"], "--url is for vllm"),
        ("vllm", "vllm-cut.json", ["--subject", "bad.json"], "--subject"),
    ],
)
def test_what_cannot_be_imported_is_one_line(
    tool: str,
    path: str,
    more: list[str],
    says: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.json").write_text(json.dumps({"backend": 1}))

    assert main([tool, str(RECORDED / path), "--out", str(tmp_path / "out"), *more]) == 1

    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert says in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()
