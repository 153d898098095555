"""A failure to start is one line with its true cause, and exit code 1.

What every backend shares is tried on the cheapest, in about 15 s; what an engine says by itself on
that engine: 10 s for Transformers, 50 s for vLLM, 5 s for SGLang.
"""

import json
import os
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

from common.errors import StartError
from common.models.model import DEMO_MODEL
from common.service import failure
from tests import service_process
from tests.conftest import require_backend
from tests.limits import DEADLINE
from tests.refusals import refusal, refusal_lines, refusals_before_start
from tests.service_process import eventually, start_service

BROKEN_LIBRARY = "libcudart.so.13: cannot open shared object file: No such file or directory"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A copy of the demo model, to be broken."""
    return Path(shutil.copytree(DEMO_MODEL, tmp_path / "model"))


def change_config(model: Path, **values: Any) -> None:
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, **values}))


def test_weights_that_are_cut_off_are_refused_before_the_start(model: Path) -> None:
    weights = model / "model.safetensors"
    whole = weights.stat().st_size
    os.truncate(weights, whole // 2)
    (line,) = refusals_before_start("transformers", {"model": model})
    assert f"{weights} is cut off: {whole // 2} of {whole} bytes; fetch the model again" in line


def test_weights_that_are_missing_are_refused_before_the_start(model: Path) -> None:
    """SGLang would answer with random numbers in their place."""
    change_config(model, num_hidden_layers=5)
    (line,) = refusals_before_start("transformers", {"model": model})
    assert f"{model}: its files lack 9 of the model's weights, such as model.layers.4." in line


def test_a_worker_that_is_killed_while_it_loads_ends_the_service() -> None:
    """As Linux kills it when no memory is left: its successors would be killed, too."""
    service = start_service("echo", wait=False, engine_args={"start_delay": 3600})
    try:
        eventually(lambda: "phase load" in service.log_text(), DEADLINE, "it loads")
        service.worker().kill()
        assert service.process.wait(DEADLINE) == 1
        (line,) = [each for each in service.log_text().splitlines() if each.startswith("error: ")]
        assert "the process that loaded the model was killed" in line
        assert "no memory left" in line
    finally:
        service.stop()


def test_a_worker_that_is_killed_later_is_only_replaced(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(failure.VARIABLE, str(tmp_path / "failure"))
    for _ in range(2):
        failure.loading()
        failure.loaded()
    failure.loading()
    with pytest.raises(StartError):
        failure.loading()


def test_a_taken_port_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setattr(service_process, "free_port", lambda: taken.getsockname()[1])
        lines = refusal_lines("echo")
    assert "error: cannot listen: address already in use; set --port or --host" in lines
    assert not any("Traceback" in line for line in lines)


@pytest.mark.parametrize(
    ("backend", "title"),
    [("transformers", "Transformers"), ("vllm", "vLLM"), ("sglang", "SGLang")],
)
def test_a_library_that_is_missing_is_named(tmp_path: Path, backend: str, title: str) -> None:
    require_backend(backend)
    (tmp_path / "torch.py").write_text(f"raise ImportError({BROKEN_LIBRARY!r})\n")
    line = refusal(backend, pythonpath=tmp_path)
    assert line.startswith(f"error: {title} cannot be imported: ")
    assert line.endswith(BROKEN_LIBRARY)


def test_weights_of_another_shape_are_refused_by_transformers(model: Path) -> None:
    """Which itself would only warn, and answer with random numbers."""
    change_config(model, intermediate_size=832)
    line = refusal("transformers", model=model)
    assert "has the shape (" in line
    assert "by config.json; 12 weights differ so" in line


def test_the_cause_that_a_process_of_vllm_logs_is_told(model: Path) -> None:
    """vLLM itself says "See root cause above"."""
    size = json.loads((model / "config.json").read_text())["intermediate_size"]
    change_config(model, intermediate_size=size + 64)
    line = refusal("vllm", model=model)
    assert "See root cause above" not in line
    assert line.startswith("error: vLLM cannot load the model: ")
    assert str(size) in line or "shape" in line or "size" in line
