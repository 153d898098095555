"""What the runner does with its cells; the endpoint is a plain server, its client a stand-in."""

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchmarks.results.files import read
from benchmarks.study import runner
from benchmarks.study.manifest import FILE
from tests.benchmarks.study.support import Run, an_endpoint, interrupt, study, written
from tests.service_process import eventually

NOWHERE = "http://127.0.0.1:9"
SECONDS = 60.0
ONE_USER = {"users": 1, "duration": 1, "ramp": 0.5}


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Of a study with two cells on one endpoint."""
    with an_endpoint() as url:
        written(tmp_path, study(backends=[{"url": url, "label": "theirs"}]))
        yield Run(tmp_path)


def backends(run: Run) -> list[dict[str, Any]]:
    return [{"url": run.entries[0].content["url"], "label": "theirs"}]


def test_each_cell_leaves_a_result_that_says_what_was_measured(run: Run) -> None:
    status, output = run()
    assert status == 0, output
    assert run.statuses == ["ok", "ok"]
    for entry in run.entries:
        result = read(run.out / "cells" / entry.id)
        assert result.subject.backend == "theirs"
        assert result.subject.model == "demo"
        assert result.subject.backend_version == "9.9"
        assert result.load.users == entry.users
    manifest = run.manifest
    assert manifest.text == (run.folder / "study.yaml").read_text()
    assert manifest.starts[0].environment.cpus >= 1


def test_a_sweep_is_one_cell_that_says_its_answer(tmp_path: Path) -> None:
    with an_endpoint() as url:
        more = {"limits": {"ttft": 0.5}, "sweep": {"steps": 3}}
        load = {"users": 4, "duration": 1, "ramp": 0.5}
        written(tmp_path, study(load=load, backends=[{"url": url, "label": "theirs"}], **more))
        run = Run(tmp_path)
        status, output = run()
        assert status == 0, output
        assert "at most 3 s of load" in run("--dry-run", "--out", f"{tmp_path}/new")[1]
    (entry,) = run.entries
    assert "_4-users_sweep_" in entry.id
    assert entry.reason == "no load was measured within p99 of TTFT 0.5 s"


def test_the_client_gets_what_the_study_says(tmp_path: Path) -> None:
    load = {"mode": "poisson", "rate": 2.5, "duration": 1, "ramp": 0, "max_tokens": 7}
    with an_endpoint() as url:
        limits = {"ttft": 0.5}
        written(tmp_path, study(load=load, limits=limits, seed=3, backends=[{"url": url}]))
        run = Run(tmp_path)
        assert run()[0] == 0
    (call,) = run.calls
    assert (call.mode, call.rate, call.users, call.max_tokens) == ("poisson", 2.5, None, 7)
    assert (call.limits.ttft, call.seed) == (0.5, 3)
    assert (call.url, call.model, call.metrics_url) == (url, "its-model", f"{url}/metrics")


def test_a_model_that_an_endpoint_does_not_have_is_not_taken_for_another(run: Run) -> None:
    with an_endpoint() as url:
        models = ["its-model", "another"]
        written(run.folder, study(load=ONE_USER, models=models, backends=[{"url": url}]))
        assert run()[0] == 0
    assert [call.model for call in run.calls] == ["its-model", "another"]


def test_finished_cells_are_not_measured_again(run: Run) -> None:
    run()
    status, output = run()
    assert status == 0
    assert "2 cells, 0 to measure" in output
    assert len(run.calls) == 2
    assert len(run.manifest.starts) == 2


def test_a_cell_that_failed_or_is_void_stays_so_until_it_is_asked_for(run: Run) -> None:
    status, output = run(acts={1: "fail", 2: "void"})
    assert status == 1
    assert run.statuses == ["failed", "void"]
    assert "s: the client ended with 1: the prompts are gone" in output
    assert "s: the client used 99 % of its core" in output
    status, output = run()
    assert status == 1
    assert "2 cells failed or are void and stay so without --retry-failed" in output
    assert run("--retry-failed")[0] == 0
    assert run.statuses == ["ok", "ok"]
    assert len(run.calls) == 4


def test_a_study_with_void_cells_only_says_so_by_its_exit_status(run: Run) -> None:
    assert run(acts={1: "void"})[0] == 3


def test_a_client_without_a_result_has_failed(run: Run) -> None:
    assert run(acts={1: "nothing"})[0] == 1
    assert "left no result" in str(run.entries[0].reason)


def test_a_run_without_one_good_request_has_failed_and_says_why(run: Run) -> None:
    assert run(acts={2: "errors"})[0] == 1
    assert run.statuses == ["ok", "failed"]
    assert run.entries[1].reason == "no request ended well: http_error 3"
    assert run.entries[1].log == ("http_error: 404: no such model",)


def test_an_endpoint_that_is_not_there_fails_and_the_rest_goes_on(run: Run) -> None:
    with an_endpoint() as url:
        there, nowhere = {"url": url, "label": "there"}, {"url": NOWHERE, "label": "nowhere"}
        written(run.folder, study(backends=[nowhere, there], start_timeout=0.5))
        assert run()[0] == 1
    assert run.statuses == ["failed", "failed", "ok", "ok"]
    assert str(run.entries[0].reason).startswith(f"{NOWHERE} was not ready within 0.5 s: ")


def test_another_study_file_says_which_cells_differ_and_loses_nothing(run: Run) -> None:
    run()
    before = (run.out / FILE).read_text()
    load = {"users": [1, 2], "duration": 3, "ramp": 0.5}
    written(run.folder, study(backends=backends(run), load=load))
    status, output = run()
    assert status == 2
    assert output.startswith("error: 2 cells were measured with another study file: theirs_demo")
    assert "load.duration: 1.0 → 3.0" in output
    assert len(output.splitlines()) == 1
    assert (run.out / FILE).read_text() == before
    assert run("--replace")[0] == 0
    assert len(run.calls) == 4


def test_more_cells_are_measured_and_those_that_are_gone_are_named(run: Run) -> None:
    run()
    load = {"users": [2, 3], "duration": 1, "ramp": 0.5}
    written(run.folder, study(backends=backends(run), load=load))
    status, output = run()
    assert status == 0
    assert "no longer in the study, but still in the folder: theirs_demo_auto_plain_1-" in output
    assert [call.users for call in run.calls] == [1, 2, 3]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_keeps_what_was_measured_and_the_next_start_goes_on(
    run: Run, number: signal.Signals
) -> None:
    process = run.start(acts={2: "hang"})
    eventually(lambda: len(run.calls) == 2, SECONDS, "the second client runs")
    status, output = interrupt(process, number)
    assert status == 128 + number, output
    assert run.statuses == ["ok", "stopped"]
    assert not read(run.out / "cells" / run.entries[1].id).verdict.valid
    assert run()[0] == 0
    assert run.statuses == ["ok", "ok"]
    assert len(run.calls) == 3


def test_a_killed_runner_leaves_no_process_and_the_next_start_goes_on(run: Run) -> None:
    process = run.start(acts={2: "hang"})
    eventually(lambda: len(run.calls) == 2, SECONDS, "the second client runs")
    descendants = psutil.Process(process.pid).children(recursive=True)
    assert descendants
    assert interrupt(process, signal.SIGKILL)[0] == -signal.SIGKILL
    eventually(
        lambda: not any(child.is_running() for child in descendants), SECONDS, "all have ended"
    )
    assert run.statuses == ["ok", "running"]
    assert run()[0] == 0
    assert len(run.calls) == 3


def test_a_full_disk_ends_the_study_in_one_line_and_the_next_start_goes_on(run: Run) -> None:
    process = run.start(acts={2: "hang"})
    eventually(lambda: len(run.calls) == 2, SECONDS, "the second client runs")
    part = run.out / f".{FILE}.part"
    part.symlink_to("/dev/full")
    status, output = interrupt(process, signal.SIGINT)
    assert status == 1
    last = output.splitlines()[-1]
    assert last.startswith("error: ")
    assert "No space left on device; what was measured is kept" in last
    assert "Traceback" not in output
    part.unlink()
    assert run.statuses == ["ok", "running"]
    assert run()[0] == 0
    assert len(run.calls) == 3


def test_what_failed_for_want_of_room_is_measured_again(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "DISK_NEEDED", 2**62)
    status, output = run(acts={2: "fail"})
    assert status == 1
    assert output.splitlines()[-1].startswith(f"error: {run.out}: no space left; what was measured")
    assert run.statuses == ["ok", "running"]
    monkeypatch.undo()
    assert run()[0] == 0


def test_results_in_a_checkout_are_none_of_gits_business(run: Run) -> None:
    run()
    subprocess.run(["git", "init", "-q", str(run.folder)], check=True)
    status = ["git", "-C", str(run.folder), "status", "--porcelain", "--untracked-files=all"]
    said = subprocess.run(status, check=True, capture_output=True, text=True).stdout
    assert "study.yaml" in said
    assert "out/" not in said


def test_two_runners_never_work_in_one_folder(run: Run) -> None:
    process = run.start(acts={1: "hang"})
    eventually(lambda: len(run.calls) == 1, SECONDS, "the first client runs")
    assert run() == (2, f"error: {run.out}: another study is running there\n")
    interrupt(process, signal.SIGINT)


def test_a_dry_run_prints_the_cells_and_the_time_and_starts_nothing(run: Run) -> None:
    status, output = run("--dry-run")
    assert status == 0
    lines = output.splitlines()
    assert lines[0].split() == ["1", "theirs_demo_auto_plain_1-users_run-1", "pending"]
    assert lines[2].startswith("2 cells, 2 to measure: 2 s of load, 0 starts of a service; about ")
    assert not run.out.exists()


def test_a_manifest_of_another_program_is_refused(run: Run) -> None:
    run.out.mkdir()
    (run.out / FILE).write_text(json.dumps({"cells": []}))
    status, output = run()
    assert status == 2
    assert "is not of this program" in output


def test_a_mistake_in_the_study_file_ends_it_in_one_line(run: Run) -> None:
    written(run.folder, study(order="shufled"))
    status, output = run()
    assert status == 2
    assert len(output.splitlines()) == 1
    assert not run.out.exists()
