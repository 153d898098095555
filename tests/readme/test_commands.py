"""The commands that the README names in passing work too."""

import json
import subprocess
import sys
from pathlib import Path

from tests.service_process import REPOSITORY, start_service

SMOKE = ["--rounds", "1", "--waves", "1", "--streams", "10", "--tokens", "50"]


def test_the_overhead_benchmark_measures_all_four(tmp_path: Path) -> None:
    report = tmp_path / "overhead.json"
    command = [sys.executable, "-m", "benchmarks.overhead", *SMOKE, "--json", str(report)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120)
    assert report.exists(), done.stdout + done.stderr
    text = json.dumps(json.loads(report.read_text("utf-8")))
    for name in ("/generate", "chat completions", "default BentoML", "bare Starlette"):
        assert name in text


def test_arguments_are_settings_and_the_environment_wins() -> None:
    arguments = ("served_model_name=argued", "max_model_len=512")
    with start_service("echo", arguments=arguments, max_model_len=256) as service:
        (card,) = service.http.get("/v1/models").json()["data"]
        assert (card["id"], card["max_model_len"]) == ("argued", 256)
