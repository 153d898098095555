"""The study that the documentation shows, shortened: the real client against real engines."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.results.files import read, requests
from benchmarks.study.client import PROGRAM
from tests.benchmarks.study.support import Run, written
from tests.conftest import require_backend
from tests.service_process import REPOSITORY

BACKENDS = ("echo", "transformers", "vllm")


def shortened() -> dict[str, Any]:
    file = REPOSITORY / "benchmarks" / "studies" / "cpu.yaml"
    study: dict[str, Any] = yaml.safe_load(file.read_text("utf-8"))
    study["load"].update(users=[4], duration=3, ramp=0.5, drain=5)
    return study


def test_each_cell_has_rates_requests_and_samples_behind_a_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for backend in BACKENDS:
        require_backend(backend)
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "bentoml"))
    monkeypatch.setenv("API_KEYS", "a-secret,another")
    written(tmp_path, {**shortened(), "settings": {"metrics_public": False}})
    run = Run(tmp_path, PROGRAM)
    status, output = run()
    # Void where this machine was too busy for an exact client: that is for the client's tests.
    assert status in (0, 3), output
    hashes = set()
    for entry in run.entries:
        folder = run.out / "cells" / entry.id
        result = read(folder)
        assert result.load.users == entry.users
        assert result.plateau.output_tokens > 0
        assert {request.outcome for request in requests(folder)} <= {"ok", "unfinished"}
        names = {(one.source, one.name, one.labels.get("role")) for one in result.series}
        assert ("service", "gen_ai_server_requests_running", None) in names
        assert ("process", "cpu", "api") in names
        assert ("client", "cpu", None) in names
        assert result.notes == ()
        hashes.add(result.prompts.hash)
        assert "a-secret" not in (folder / "result.json").read_text()
    assert [entry.backend for entry in run.entries] == [*BACKENDS]
    assert len(hashes) == 1
    assert "a-secret" not in (run.out / "study.json").read_text()
