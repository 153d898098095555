"""The commands that the README names in passing work too."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import BACKENDS
from tests.serving import REPOSITORY, start_service

SMOKE = ["--rounds", "1", "--waves", "1", "--streams", "10", "--tokens", "50"]


def test_the_overhead_benchmark_measures_all_four(tmp_path: Path) -> None:
    report = tmp_path / "overhead.json"
    command = [sys.executable, "-m", "benchmarks.overhead", *SMOKE, "--json", str(report)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120)
    assert report.exists(), done.stdout + done.stderr
    text = json.dumps(json.loads(report.read_text("utf-8")))
    for name in ("/generate", "chat completions", "default BentoML", "bare Starlette"):
        assert name in text


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_bento_builds_with_the_model_and_without_tests(backend: str, tmp_path: Path) -> None:
    environment = {**os.environ, "BENTOML_HOME": str(tmp_path), "BENTOML_DO_NOT_TRACK": "True"}
    bentoml = str(Path(sys.executable).with_name("bentoml"))
    command = [bentoml, "build", "-f", f"bentos/{backend}/bentofile.yaml"]
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (source,) = tmp_path.glob("bentos/*/*/src")
    files = {str(file.relative_to(source)) for file in source.rglob("*") if file.is_file()}
    assert {f"services/{backend}.py", "common/demo_model/model.safetensors", "LICENSE"} <= files
    assert not [name for name in files if re.search(r"^tests|pycache|\.venv|^\.", name)]


def test_arguments_are_settings_and_the_environment_wins() -> None:
    arguments = ("served_model_name=argued", "max_model_len=512")
    with start_service("echo", arguments=arguments, max_model_len=256) as service:
        (card,) = service.http.get("/v1/models").json()["data"]
        assert (card["id"], card["max_model_len"]) == ("argued", 256)
