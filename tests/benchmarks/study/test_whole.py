"""The study that the documentation shows, shortened: the real client against real engines."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.results.files import read, read_quality, requests
from benchmarks.study.client import PROGRAM
from tests.benchmarks.study.support import Run, written
from tests.conftest import require_backend
from tests.service_process import REPOSITORY

ENGINES = ("transformers", "vllm")
BACKENDS = ("echo", *ENGINES)
COUNT = 12
"""Questions of each task."""
SLOW = "the first request of the warm-up"
"""Of the note that a busy machine may bring."""


def shortened() -> dict[str, Any]:
    file = REPOSITORY / "benchmarks" / "studies" / "cpu.yaml"
    study: dict[str, Any] = yaml.safe_load(file.read_text("utf-8"))
    study["load"].update(users=[4], duration=3, ramp=0.5, drain=5)
    return study


def tasks(folder: Path) -> list[dict[str, Any]]:
    """One of each kind that needs no other program, about what the demo model knows."""
    questions = REPOSITORY / "common" / "demo_model" / "questions.jsonl"
    known = [json.loads(line) for line in questions.read_text("utf-8").splitlines()[:COUNT]]
    answers = [question["answer"] for question in known]
    files = {
        "choice": [
            {"messages": q["messages"], "choices": [q["answer"], "No."], "answer": 0} for q in known
        ],
        "perplexity": [{"text": answer} for answer in answers],
    }
    for kind, documents in files.items():
        (folder / f"{kind}.jsonl").write_text("\n".join(map(json.dumps, documents)))
    exact = {"kind": "exact", "file": str(questions), "limit": COUNT}
    return [exact, *({"kind": kind, "file": f"{kind}.jsonl"} for kind in files)]


def test_each_cell_has_rates_requests_and_samples_behind_a_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for backend in BACKENDS:
        require_backend(backend)
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "bentoml"))
    monkeypatch.setenv("API_KEYS", "a-secret,another")
    fields = {"settings": {"metrics_public": False}, "quality": tasks(tmp_path)}
    written(tmp_path, {**shortened(), **fields})
    run = Run(tmp_path, PROGRAM)
    status, output = run()
    # Void where this machine was too busy for an exact client: that is for the client's tests.
    assert status in (0, 3), output
    hashes = set()
    loads = [entry for entry in run.entries if not entry.of_quality]
    for entry in loads:
        folder = run.out / "cells" / entry.id
        result = read(folder)
        assert result.load.users == entry.users
        assert result.plateau.output_tokens > 0
        assert {request.outcome for request in requests(folder)} <= {"ok", "unfinished"}
        names = {(one.source, one.name, one.labels.get("role")) for one in result.series}
        assert ("service", "gen_ai_server_requests_running", None) in names
        assert ("process", "cpu", "api") in names
        assert ("client", "cpu", None) in names
        assert [note for note in result.notes if SLOW not in note] == []
        hashes.add(result.prompts.hash)
    assert [entry.backend for entry in loads] == [*BACKENDS]
    assert len(hashes) == 1
    assert output.count("starting the service") == len(BACKENDS)
    assert_scores_are_those_of_the_model(run)
    files = [file for file in run.out.rglob("*") if file.is_file()]
    assert [file for file in files if b"a-secret" in file.read_bytes()] == []
    assert "a-secret" not in output


def assert_scores_are_those_of_the_model(run: Run) -> None:
    """An echo answers nothing; engines answer all, alike, and score the same texts alike."""
    found = {
        entry.backend: {
            task.name: task for task in read_quality(run.out / "cells" / entry.id).tasks
        }
        for entry in run.entries
        if entry.of_quality
    }
    assert [*found] == [*BACKENDS]
    values = {
        backend: {name: task.score.value for name, task in tasks.items() if task.score}
        for backend, tasks in found.items()
    }
    assert values["echo"]["questions"] == 0
    for engine in ENGINES:
        assert values[engine]["questions"] == values[engine]["choice"] == 1
        assert values[engine]["perplexity"] == pytest.approx(
            values[ENGINES[0]]["perplexity"], rel=0.05
        )
    one, other = (found[engine]["questions"].documents for engine in ENGINES)
    assert one == other
