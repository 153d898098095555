"""A sweep as its user runs it, on a server whose times are known."""

import subprocess
import sys
from pathlib import Path

from benchmarks.results import files
from tests.benchmarks.load.truth import truth_server, words
from tests.service_process import REPOSITORY


def test_a_sweep_leaves_the_result_of_each_run(tmp_path: Path) -> None:
    options = {"users": 2, "duration": 0.6, "ramp": 0, "ttft-limit": 0.0001, "steps": 2}
    with truth_server(ttft=0.02, itl=0.002, tokens=8) as server:
        command = [sys.executable, "-m", "benchmarks.load", server.url, "--sweep"]
        done = subprocess.run(
            [*command, f"--out={tmp_path}", *words(options)],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
        )
    sweep = files.read_sweep(tmp_path)
    assert "no load is within p99 of TTFT 0.0001 s" in done.stdout, done.stderr
    assert [step.kept for step in sweep.steps] == [False, False]
    for step in sweep.steps:
        assert files.read(tmp_path / str(step.folder)).load.users == step.level
