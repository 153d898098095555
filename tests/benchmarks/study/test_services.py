"""Real services under the runner: started, told from each other's settings, stopped, gone."""

import os
import signal
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchmarks.results.files import read
from benchmarks.study import leftovers
from benchmarks.study.leftovers import MARK
from tests.benchmarks.study.support import Run, an_endpoint, interrupt, study, written
from tests.gpus import put_gpus
from tests.service_process import eventually

SECONDS = 60.0
ONE_USER = {"users": 1, "duration": 1, "ramp": 0.5}


@pytest.fixture(autouse=True)
def _own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "bentoml"))


def started_by_studies() -> list[psutil.Process]:
    """Processes of any service that a study in this test's folder has started."""
    home = os.environ["BENTOML_HOME"]
    found = []
    for process in psutil.process_iter():
        try:
            variables = process.environ()
        except psutil.Error:
            continue
        if MARK in variables and variables.get("BENTOML_HOME") == home:
            found.append(process)
    return found


def test_a_service_is_measured_and_nothing_of_it_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAX_MODEL_LEN", "nonsense that would stop the start")
    backend = {"backend": "echo", "label": "an echo", "settings": {"engine_args": {"itl": 0.001}}}
    written(tmp_path, study(backends=[backend], share_service=True))
    run = Run(tmp_path)
    status, output = run()
    assert status == 0, output
    assert started_by_studies() == []
    assert output.count("starting the service") == 1
    for entry in run.entries:
        folder = run.out / "cells" / entry.id
        subject = read(folder).subject
        assert (subject.backend, subject.engine) == ("an echo", "echo")
        assert subject.settings == {"engine_args": '{"itl": 0.001}'}
        assert "Service" in (folder / "server.log").read_text()
        assert entry.versions["bentoml"] == version("bentoml")
    assert run.entries[0].start_seconds


def test_a_service_that_does_not_start_fails_in_its_own_words_and_the_rest_goes_on(
    tmp_path: Path,
) -> None:
    bad = {"backend": "echo", "label": "bad", "settings": {"engine_args": {"failure": "start"}}}
    with an_endpoint() as url:
        written(tmp_path, study(load=ONE_USER, backends=[bad, {"url": url}]))
        run = Run(tmp_path)
        status, output = run()
    assert status == 1, output
    assert run.statuses == ["failed", "ok"]
    reason = "ended with exit code 1 while it started: setting 'engine_args': failure is 'start'"
    assert run.entries[0].reason == reason
    assert any("failure is 'start'" in line for line in run.entries[0].log)
    assert f"bad_demo_auto_plain_1-users_run-1: failed: {reason}" in output


def test_another_server_has_a_core_alone_and_nothing_of_it_is_left(tmp_path: Path) -> None:
    uvicorn = ["{python}", "-m", "uvicorn", "benchmarks.servers.bare_starlette:app"]
    starlette = {"label": "starlette", "command": [*uvicorn, "--port={port}"]}
    written(tmp_path, study(load=ONE_USER, backends=[starlette], pinned=True))
    run = Run(tmp_path)
    process = run.start(acts={1: "hang"})
    eventually(lambda: len(run.calls) == 1, SECONDS, "the client runs")
    (server,) = [p for p in started_by_studies() if p.ppid() != process.pid]
    if len(cores := psutil.Process().cpu_affinity()) > 1:
        assert server.cpu_affinity() == cores[:1]
        assert psutil.Process(process.pid).cpu_affinity() == cores[1:]
    assert run.calls[0].pid == server.pid
    assert run.calls[0].metrics_url is None
    interrupt(process, signal.SIGINT)
    assert started_by_studies() == []


def test_a_service_that_dies_fails_its_cell_and_the_next_cell_gets_a_new_one(
    tmp_path: Path,
) -> None:
    written(tmp_path, study(share_service=True))
    run = Run(tmp_path)
    process = run.start(acts={1: "hang"})
    eventually(lambda: len(run.calls) == 1, SECONDS, "the client runs")
    (guard,) = [p for p in started_by_studies() if p.ppid() == process.pid]
    (supervisor,) = guard.children()
    supervisor.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 1, output
    assert run.statuses == ["failed", "ok"]
    assert str(run.entries[0].reason).startswith("ended with exit code 0 in the middle of the run")
    assert output.count("starting the service") == 2


def test_a_killed_runner_leaves_no_service(tmp_path: Path) -> None:
    written(tmp_path, study(load=ONE_USER))
    run = Run(tmp_path)
    process = run.start(acts={1: "hang"})
    eventually(lambda: len(run.calls) == 1, SECONDS, "the client runs")
    assert started_by_studies()
    interrupt(process, signal.SIGKILL)
    eventually(lambda: not started_by_studies(), SECONDS, "all of the service is gone")


def test_gpu_memory_that_does_not_come_back_stops_the_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nvml = put_gpus(monkeypatch, "Double GPU, 8.0, 81920")
    read = nvml.nvmlDeviceGetMemoryInfo

    def more_each_time(handle: int) -> Any:
        nvml.USED[handle] += 4 * 2**30
        return read(handle)

    monkeypatch.setattr(nvml, "nvmlDeviceGetMemoryInfo", more_each_time)
    monkeypatch.setattr(leftovers, "GPU_TIMEOUT", 0.0)
    written(tmp_path, study())
    run = Run(tmp_path)
    status, output = run()
    assert status == 1
    assert run.statuses == ["ok", "pending"]
    last = output.splitlines()[-1]
    assert last.startswith("error: echo_demo_auto_plain_1-users_run-1 left something behind: GPU 0")
    assert last.endswith("free it, and the same command goes on")
