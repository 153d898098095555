"""What is missing or does not fit is one line: what was looked for, where, and what mends it."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.triton.support import ENGINE, refusal

BUILD = "python -m build_scripts.trtllm"
MISTAKES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "no engine": ({}, ["'engine_dir': needed", "no TensorRT engine of the demo model", BUILD]),
    "another scheme": (
        {"engine_dir": ENGINE, "quantization": "awq"},
        ["'quantization': 'awq'", "has 'none'"],
    ),
    "no tag": ({"engine_dir": "llama:0123"}, ["no model 'llama:0123' in"]),
    "no directory": ({"engine_dir": "./nowhere"}, ["no directory", "/nowhere", BUILD]),
    "no binary": (
        {"engine_dir": ENGINE, "engine_args": {"tritonserver": "/opt/none"}},
        ["/opt/none is no program", "docker pull nvcr.io/nvidia/tritonserver"],
    ),
    "engine argument": (
        {"engine_dir": ENGINE, "engine_args": {"enable_trt_overlapp": True}},
        ["no argument 'enable_trt_overlapp'; did you mean 'enable_trt_overlap'?"],
    ),
    "another GPU": (
        {"engine_dir": ENGINE, "double_compute_capability": "9.0"},
        ["compute capability 8.0 (NVIDIA A100)", "compute capability 9.0 (NVIDIA Double)"],
    ),
    "no GPU": (
        {"engine_dir": ENGINE, "double_compute_capability": ""},
        ["needs a GPU of compute capability 8.0", "No devices were found"],
    ),
    "more GPUs": (
        {"engine_dir": ENGINE, "tensor_parallel_size": 2},
        ["'tensor_parallel_size': 2", "allowed is 1"],
    ),
    "longer": (
        {"engine_dir": ENGINE, "max_model_len": 4097},
        ["'max_model_len': 4097 tokens", "4096"],
    ),
    "more at once": (
        {"engine_dir": ENGINE, "max_concurrency": 257},
        ["'max_concurrency': 257", "256 sequences"],
    ),
    "a dtype": ({"engine_dir": ENGINE, "dtype": "float16"}, ["'dtype' has no effect with Triton"]),
    "engine and address": (
        {"engine_dir": ENGINE, "engine_url": "localhost:8001"},
        ["'engine_dir' has no effect with 'engine_url'"],
    ),
    "no address": ({"engine_url": "http://localhost"}, ["'engine_url'", "host:port"]),
    "nobody there": (
        {"engine_url": "127.0.0.1:1"},
        ["'engine_url': no tritonserver answers at '127.0.0.1:1'"],
    ),
    "does not load": (
        {"engine_dir": ENGINE, "gpu_memory_utilization": 1},
        ["tritonserver cannot load the engine", "freeGpuMemoryFraction < 1"],
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line(mistake: str) -> None:
    settings, expected = MISTAKES[mistake]
    line = refusal(**settings)
    assert line.startswith("error: ")
    for part in expected:
        assert part in line


@pytest.mark.parametrize("missing", ["config.json", "rank0.engine"])
def test_an_engine_that_is_not_whole_is_refused(tmp_path: Path, missing: str) -> None:
    engine = shutil.copytree(ENGINE, tmp_path / "engine")
    (engine / missing).unlink()
    line = refusal(engine_dir=engine)
    assert f"{engine} has no {missing}" in line
    assert BUILD in line


def test_the_engine_of_another_model_is_refused(tmp_path: Path) -> None:
    engine = shutil.copytree(ENGINE, tmp_path / "engine")
    config = json.loads((engine / "config.json").read_text())
    config["pretrained_config"]["vocab_size"] = 32000
    (engine / "config.json").write_text(json.dumps(config))
    assert "has a vocabulary of 32000 tokens and the model" in refusal(engine_dir=engine)
