"""An engine is made by TensorRT-LLM's own tools, for one kind of GPU, or one line says why not."""

import json
import os
import shutil
from pathlib import Path

import pytest

from common.model import DEMO_MODEL
from tests.builder.support import Home
from tests.serving import REPOSITORY

DOUBLE = REPOSITORY / "tests" / "doubles" / "build_tools" / "trtllm"
EXAMPLES = ("--examples", str(DOUBLE / "examples"))
AWQ = ("--quantization", "int4_awq")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("PATH", f"{DOUBLE / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(DOUBLE / "site"))
    return Home(tmp_path / "home", "build_scripts.trtllm")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        AWQ,
        ("--quantization", "int8_wo", "--tensor-parallel-size", "2"),
        ("--kv-cache-dtype", "int8", "--max-seq-len", "512", "--gemm-plugin", "auto"),
        ("--multiple-profiles", "disable", "--opt-num-tokens", "512", "--max-input-len", "256"),
    ],
    ids=" ".join,
)
def test_the_tools_take_what_they_are_given(home: Home, arguments: tuple[str, ...]) -> None:
    artifact = home.build(*EXAMPLES, *arguments)
    manifest = artifact.manifest
    assert manifest.kind == "tensorrt_llm"
    assert (manifest.gpu, manifest.compute_capability) == ("Double GPU", "8.0")
    assert manifest.tools == {"tensorrt_llm": "1.2.1"}
    assert "rank0.engine" in manifest.files
    assert home.build(*EXAMPLES, *arguments).tag == artifact.tag


def test_the_defaults_are_those_of_the_study(home: Home) -> None:
    shown = home.run("--dry-run", *EXAMPLES)
    for flag in (
        "--max_batch_size 2048",
        "--max_num_tokens 2048",
        "--gemm_plugin bfloat16",
        "--multiple_profiles enable",
        "--use_paged_context_fmha enable",
    ):
        assert flag in shown
    assert "models/core/llama/convert_checkpoint.py" in shown
    assert home.left() == []


def test_another_gpu_has_another_engine(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    first = home.build(*EXAMPLES).tag
    monkeypatch.setenv("DOUBLE_COMPUTE_CAPABILITY", "9.0")
    assert home.build(*EXAMPLES).tag != first


def test_in_the_image_everything_has_the_same_path(home: Home) -> None:
    shown = home.run("--dry-run", "--docker", *AWQ)
    assert shown.count("docker run --rm --init --gpus all") == 2
    assert f"-v {DEMO_MODEL}:{DEMO_MODEL}:ro -v OUTPUT:OUTPUT -v SCRATCH:SCRATCH" in shown
    assert "release:1.2.1 python3 /app/tensorrt_llm/examples/quantization/quantize.py" in shown


@pytest.mark.parametrize("tool", ["convert_checkpoint.py", "trtllm-build"])
@pytest.mark.parametrize("trouble", ["halfway", "disk", "nothing"])
def test_a_tool_in_trouble_leaves_nothing(home: Home, tool: str, trouble: str) -> None:
    home.trouble = f"{tool}={trouble}"
    line = home.refusal(*EXAMPLES)
    assert "the log is" in line or "has ended without" in line
    assert home.left() == []


@pytest.mark.parametrize(
    ("capability", "arguments", "told"),
    [
        ("8.0", ("--quantization", "fp8"), "needs compute capability 8.9, and Double GPU has 8.0"),
        ("10.0", AWQ, "needs compute capability 8.0 to 9.0"),
        ("8.0", (*AWQ, "--opt-num-tokens", "64"), "add --multiple-profiles disable"),
        ("8.0", ("--calibration", "texts"), "--calibration has no effect"),
        ("8.0", ("--max-seq-len", "999999"), "is more than the model's"),
        ("8.0", ("--tensor-parallel-size", "3"), "does not divide 4 heads"),
        ("8.0", ("--docker", "some/image:1.4.0"), "TensorRT-LLM is 1.4.0 here; needed is 1.2.1"),
    ],
)
def test_what_cannot_be_compiled(
    home: Home,
    monkeypatch: pytest.MonkeyPatch,
    capability: str,
    arguments: tuple[str, ...],
    told: str,
) -> None:
    monkeypatch.setenv("DOUBLE_COMPUTE_CAPABILITY", capability)
    if "--docker" in arguments:
        docker = home.path.parent / "bin" / "docker"
        docker.parent.mkdir()
        docker.write_text("#!/bin/sh\nexit 1\n")
        docker.chmod(0o755)
        monkeypatch.setenv("PATH", f"{docker.parent}{os.pathsep}{os.environ['PATH']}")
    assert told in home.refusal(*EXAMPLES, *arguments)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"model_type": "mamba"}, "mamba models are not compiled here; allowed are llama"),
        ({"quantization_config": {"quant_method": "awq"}}, "is quantized already (awq)"),
    ],
)
def test_a_model_that_is_not_compiled(
    home: Home, tmp_path: Path, values: dict[str, object], told: str
) -> None:
    model = Path(shutil.copytree(DEMO_MODEL, tmp_path / "model"))
    config = json.loads((model / "config.json").read_text("utf-8"))
    (model / "config.json").write_text(json.dumps({**config, **values}), "utf-8")
    assert told in home.refusal(*EXAMPLES, "--model", str(model))


def test_tools_that_are_missing_or_of_another_release(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "--examples is not given" in home.refusal()
    assert "there is no /nowhere/quantization/quantize.py" in home.refusal("--examples", "/nowhere")
    monkeypatch.setenv("PYTHONPATH", str(DOUBLE / "other_site"))
    assert "TensorRT-LLM is 1.3.0 here; needed is 1.2.1" in home.refusal(*EXAMPLES)
    monkeypatch.setenv("PATH", os.environ["PATH"].partition(os.pathsep)[2])
    assert "trtllm-build is not on PATH" in home.refusal(*EXAMPLES)
