"""Builds of engines that fail, are interrupted, or are refused before they begin."""

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from common.models.model import DEMO_MODEL
from tests.builder.support import Home
from tests.model_directories import model_flags
from tests.tensorrt_llm.builds import AUTOAWQ, AWQ, DOUBLE, EXAMPLES, GPTQ


@pytest.mark.parametrize("tool", ["convert_checkpoint.py", "trtllm-build"])
@pytest.mark.parametrize("trouble", ["halfway", "disk", "nothing"])
def test_a_tool_in_trouble_leaves_nothing(home: Home, tool: str, trouble: str) -> None:
    home.trouble = f"{tool}={trouble}"
    line = home.refusal(*EXAMPLES)
    assert "the log is" in line or "has ended without" in line
    assert home.left() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_build_ends_its_tool(home: Home, number: signal.Signals) -> None:
    home.trouble = "trtllm-build=hang"
    home.interrupt(number, *EXAMPLES)
    assert not [name for name in home.left() if name.startswith("models")]


REFUSED: dict[str, tuple[str, tuple[str, ...], str]] = {
    "fp8 on Ampere": (
        "8.0",
        ("--quantization", "fp8"),
        "needs compute capability 8.9 or more, and Double GPU has 8.0; what works is none",
    ),
    "awq on Blackwell": ("10.0", AWQ, "8.0 or more, among 8.x, 9.x, and Double GPU has 10.0"),
    "before Ampere": ("7.5", (), "needs compute capability 8.0 or more"),
    "int8 cache on Blackwell": ("10.0", ("--kv-cache-dtype", "int8"), "fp8 works"),
    "profiles": ("8.0", (*AWQ, "--opt-num-tokens", "64"), "add --multiple-profiles disable"),
    "texts": ("8.0", ("--calibration", "texts"), "--calibration has no effect"),
    "no texts": ("8.0", (*AWQ, "--calibration", "texts"), "there is no file"),
    "more texts": ("8.0", (*AWQ, "--calibration-samples", "99"), "at most 32 are used"),
    "context": ("8.0", ("--max-seq-len", "999999"), "is more than the model's"),
    "prompt": ("8.0", ("--max-seq-len", "64", "--max-input-len", "65"), "is more than --max-seq"),
    "heads": ("8.0", ("--tensor-parallel-size", "3"), "does not divide 4 heads"),
    "groups": (
        "8.0",
        (*AWQ, "--tensor-parallel-size", "4"),
        "groups of 128 do not fill heads x head_dim = 256 on each of 4 GPUs",
    ),
    "release": ("8.0", ("--docker", "some/image:1.4.0"), "TensorRT-LLM is 1.4.0 here; needed is"),
    "no release": ("8.0", ("--docker", "host:5000/image"), "is of unknown version here"),
    "pages": (
        "9.0",
        (*AWQ, "--kv-cache-dtype", "fp8", "--use-paged-context-fmha", "enable"),
        "does not go with --kv-cache-dtype fp8 and --quantization int4_awq",
    ),
    "checkpoint": ("8.0", ("--quantization", "awq"), "and this is not quantized"),
}


@pytest.mark.parametrize("mistake", REFUSED)
def test_what_cannot_be_compiled_is_one_line_before_any_work(
    home: Home, monkeypatch: pytest.MonkeyPatch, mistake: str
) -> None:
    capability, arguments, told = REFUSED[mistake]
    monkeypatch.setenv("DOUBLE_GPUS", f"Double GPU, {capability}")
    if "--docker" in arguments:
        monkeypatch.setenv("PATH", f"{DOUBLE / 'docker'}{os.pathsep}{os.environ['PATH']}")
    assert told in home.refusal(*EXAMPLES, *arguments)
    assert home.left() == []


MODELS: dict[str, tuple[dict[str, Any], tuple[str, ...], str]] = {
    "family": ({"model_type": "mamba"}, (), "mamba models are not compiled here; allowed are"),
    "scheme": ({"model_type": "phi3"}, AWQ, "TensorRT-LLM has it not for phi3; allowed are none"),
    "quantized already": (
        {"quantization_config": AUTOAWQ},
        AWQ,
        "needs plain weights, and these are awq; name the model that they were made from, or "
        "leave out --quantization",
    ),
    "compressed-tensors": (
        {"quantization_config": {"quant_method": "compressed-tensors"}},
        (),
        "checkpoints that are compressed-tensors are not converted; allowed are plain weights, awq",
    ),
    "act-order": (
        {"quantization_config": {**GPTQ, "desc_act": True}},
        (),
        "GPTQ with desc_act is not converted",
    ),
    "group": ({"quantization_config": {**AUTOAWQ, "group_size": 32}}, (), "allowed are 64, 128"),
    "cache": (
        {"quantization_config": AUTOAWQ},
        ("--kv-cache-dtype", "int8"),
        "is measured on plain weights",
    ),
    "columns": ({"intermediate_size": 700}, AWQ, "do not fill intermediate_size = 700"),
    "code": ({"auto_map": {"AutoConfig": "a.B"}}, (), "add --trust-remote-code"),
}


@pytest.mark.parametrize("mistake", MODELS)
def test_a_model_that_is_not_compiled_is_one_line(home: Home, tmp_path: Path, mistake: str) -> None:
    values, arguments, told = MODELS[mistake]
    assert told in home.refusal(*EXAMPLES, *model_flags(tmp_path, **values), *arguments)


def test_an_empty_text_and_a_mistaken_path_are_told(home: Home, tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    assert "is empty" in home.refusal(*EXAMPLES, *AWQ, "--calibration", str(empty))
    prompts = Path(shutil.copytree(DEMO_MODEL, tmp_path / "prompts"))
    line = home.refusal(*EXAMPLES, *AWQ, "--model", str(prompts))
    assert "takes the model for an MPT model" in line
    assert home.left() == []
    home.build(*EXAMPLES, "--model", str(prompts))


def test_tools_that_are_missing_or_of_another_release(
    home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert "--examples is not given; run this where" in home.refusal()
    assert "there is no /nowhere/quantization/quantize.py" in home.refusal("--examples", "/nowhere")
    checkout = tmp_path / "source"
    shutil.copytree(DOUBLE / "examples", checkout / "examples")
    (checkout / "tensorrt_llm").mkdir()
    (checkout / "tensorrt_llm" / "version.py").write_text('__version__ = "1.2.0rc8"\n')
    line = home.refusal("--examples", str(checkout / "examples"))
    assert "are of TensorRT-LLM 1.2.0rc8 here; needed is 1.2.1" in line
    monkeypatch.setenv("DOUBLE_ENGINE_VERSION", "1.1.0")
    assert "has made an engine of TensorRT-LLM 1.1.0, not 1.2.1" in home.refusal(*EXAMPLES)
    monkeypatch.setenv("PYTHONPATH", str(DOUBLE / "other_site"))
    assert "TensorRT-LLM is 1.3.0 here; needed is 1.2.1" in home.refusal(*EXAMPLES)
    monkeypatch.setenv("PATH", "")
    assert "trtllm-build is not on PATH; run this where" in home.refusal(*EXAMPLES)
    assert "docker is not on PATH; run this where" in home.refusal("--docker")
    shown = home.run("--dry-run", *AWQ)
    assert "python3 EXAMPLES/quantization/quantize.py" in shown
    assert "cannot be built here: trtllm-build is not on PATH" in shown
