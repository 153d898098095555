"""What our builders compiled is served: found in the model store, by the builder's own line."""

import os
import shlex
from pathlib import Path
from typing import Any

import pytest

from common.models.artifacts import Artifact
from common.models.model import DEMO_MODEL
from tests.builder.support import Home
from tests.conftest import require_backend
from tests.contract.support import chat, model_card, text_of, user
from tests.gpus import put_gpus
from tests.refusals import refusals_before_start
from tests.service_process import REPOSITORY, Service, start_service

TOOLS = REPOSITORY / "tests" / "doubles" / "build_tools"
AWQ = ("--quantization", "int4_awq")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """On a machine with all tools and a GPU."""
    folders = [str(TOOLS / "trtllm" / "bin"), os.environ["PATH"]]
    monkeypatch.setenv("PATH", os.pathsep.join(folders))
    put_gpus(monkeypatch, "Double GPU, 8.0")
    monkeypatch.setenv("DOUBLE_MODEL", str(DEMO_MODEL))
    return tmp_path / "home"


def build(store: Path, monkeypatch: pytest.MonkeyPatch, name: str, *arguments: str) -> Artifact:
    with monkeypatch.context() as inside:
        folders = (TOOLS / "mlc", TOOLS / "trtllm" / "site", REPOSITORY)
        inside.setenv("PYTHONPATH", os.pathsep.join(map(str, folders)))
        examples = ("--examples", str(TOOLS / "trtllm" / "examples")) if name == "trtllm" else ()
        return Home(store, f"build_scripts.{name}").build(*examples, *arguments)


def serve(artifact: Artifact, backend: str, store: Path, **more: Any) -> Service:
    """By the line that the builder tells."""
    lines = [shlex.split(line) for line in artifact.manifest.results["serve"]]
    words = next(words for words in lines if words[1] == backend)
    given = tuple(word for word in words[2:] if word != "--arg")
    return start_service(backend, arguments=given, bentoml_home=store, **more)


def assert_answers(service: Service, quantization: str) -> None:
    assert "Paris" in text_of(chat(service, user("What is the capital of France?")))
    assert model_card(service)["quantization"] == quantization


def test_a_model_compiled_for_mlc_is_served(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_backend("mlc")
    artifact = build(store, monkeypatch, "mlc", "--context-window-size", "2048")
    with serve(artifact, "mlc", store) as service:
        assert_answers(service, "q4f16_1")
        assert model_card(service)["max_model_len"] == 2048
    gpu, scheme = refusals_before_start(
        "mlc",
        {"double_gpus": "Double GPU, 9.0", "max_model_len": 2048},
        {"quantization": "q0f16"},
        home=store,
    )
    assert "compute capability 8.0 (Double GPU) and this GPU has compute capability 9.0" in gpu
    assert gpu.endswith("python -m build_scripts.mlc --context-window-size 2048")
    assert "has no model compiled for MLC-LLM of the demo model as q0f16, only" in scheme


def test_an_engine_is_served_by_triton(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_backend("triton")
    plain = build(store, monkeypatch, "trtllm", "--max-batch-size", "8")
    awq = build(store, monkeypatch, "trtllm", *AWQ, "--max-batch-size", "8")
    with serve(awq, "triton", store) as service:
        assert_answers(service, "int4_awq")
    with start_service(
        "triton", bentoml_home=store, engine_dir=plain.tag, max_concurrency=8
    ) as service:
        assert_answers(service, "none")
    (line,) = refusals_before_start("triton", {"double_gpus": "Double GPU, 9.0"}, home=store)
    assert "this GPU has compute capability 9.0 (Double GPU)" in line
    assert line.endswith(f"compile it on this machine: {awq.manifest.command}")


def test_an_engine_is_served_by_tensorrt_llm_when_it_is_asked_for(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_backend("tensorrt_llm")
    (line,) = refusals_before_start("tensorrt_llm", {"engine_dir": "auto"}, home=store)
    assert "has no TensorRT engine of the demo model" in line
    artifact = build(store, monkeypatch, "trtllm", *AWQ)
    with serve(artifact, "tensorrt_llm", store) as service:
        assert_answers(service, "int4_awq")
    with start_service("tensorrt_llm", bentoml_home=store) as service:
        assert_answers(service, "none")
