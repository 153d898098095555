"""What is missing or does not fit is one line: what was looked for, where, and what mends it."""

import json
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

from common.errors import StartError
from common.processes.ports import LOOPBACK, free_ports
from common.processes.server import ChildServer
from common.settings import Settings
from services._compiled.tensorrt_engine import check_engine_dir
from services._triton.server import BINARY, command
from tests.refusals import refusal_lines, refusals_before_start
from tests.triton.support import DOUBLE, ENGINE, START_SECONDS, repository

BUILD = "python -m build_scripts.trtllm"
PROGRAM = DOUBLE / "bin" / "tritonserver"
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
        ["tritonserver was looked for at '/opt/none'", "docker pull nvcr.io/nvidia/tritonserver"],
    ),
    "engine argument": (
        {"engine_dir": ENGINE, "engine_args": {"enable_trt_overlapp": True}},
        ["no argument 'enable_trt_overlapp'; did you mean 'enable_trt_overlap'?"],
    ),
    "another GPU": (
        {"engine_dir": ENGINE, "double_gpus": "Double GPU, 9.0"},
        ["compute capability 8.0 (NVIDIA A100)", "compute capability 9.0 (Double GPU)"],
    ),
    "no GPU": (
        {"engine_dir": ENGINE, "double_gpus": ""},
        ["needs a GPU of compute capability 8.0", "Driver Not Loaded"],
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
}
WHILE_LOADING: dict[str, tuple[dict[str, Any], list[str]]] = {
    "nobody there": (
        {"engine_url": "127.0.0.1:1"},
        ["'engine_url': no tritonserver answers at '127.0.0.1:1'"],
    ),
    "does not load": (
        {"engine_dir": ENGINE, "gpu_memory_utilization": 1},
        ["tritonserver cannot load the engine", "freeGpuMemoryFraction < 1"],
    ),
}


@pytest.fixture(scope="module")
def refused() -> dict[str, str]:
    """Returns the line of each of MISTAKES."""
    lines = refusals_before_start("triton", *(settings for settings, _ in MISTAKES.values()))
    return dict(zip(MISTAKES, lines, strict=True))


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line(refused: dict[str, str], mistake: str) -> None:
    for part in MISTAKES[mistake][1]:
        assert part in refused[mistake]


@pytest.mark.parametrize("mistake", WHILE_LOADING)
def test_what_shows_while_it_loads_is_one_line_too(mistake: str) -> None:
    settings, expected = WHILE_LOADING[mistake]
    (line,) = refusal_lines("triton", **settings)
    assert line.startswith("error: ")
    for part in expected:
        assert part in line


def test_an_engine_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    missing = ("config.json", "rank0.engine")
    engines = [Path(shutil.copytree(ENGINE, tmp_path / name)) for name in missing]
    for engine, name in zip(engines, missing, strict=True):
        (engine / name).unlink()
    lines = refusals_before_start("triton", *({"engine_dir": engine} for engine in engines))
    for line, engine, name in zip(lines, engines, missing, strict=True):
        assert f"{engine} has no {name}" in line
        assert BUILD in line


def test_a_damaged_engine_is_told_in_tensorrts_words(tmp_path: Path) -> None:
    engine = Path(shutil.copytree(ENGINE, tmp_path / "engine"))
    (engine / "rank0.engine").write_text("no engine")
    (line,) = refusal_lines("triton", engine_dir=engine)
    assert "tritonserver cannot load the engine: " in line
    assert "Failed to deserialize cuda engine" in line


async def test_a_port_that_another_has_taken_meanwhile_is_told(tmp_path: Path) -> None:
    root, settings = repository(tmp_path / "models"), Settings(engine_args={BINARY: str(PROGRAM)})
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        start = command(
            settings, check_engine_dir(ENGINE), root, taken.getsockname()[1], *free_ports(1)
        )
        server = ChildServer(BINARY, lambda: start, never, start_timeout=START_SECONDS)
        try:
            with pytest.raises(StartError, match="tritonserver ended with exit code 1") as refused:
                await server.start()
        finally:
            await server.stop()
    assert "already in use" in str(refused.value)


async def never() -> bool:
    return False


def test_the_engine_of_another_model_is_refused(tmp_path: Path) -> None:
    engine = Path(shutil.copytree(ENGINE, tmp_path / "engine"))
    config = json.loads((engine / "config.json").read_text())
    config["pretrained_config"]["vocab_size"] = 32000
    (engine / "config.json").write_text(json.dumps(config))
    (line,) = refusal_lines("triton", engine_dir=engine)
    assert "has a vocabulary of 32000 tokens and the model" in line
