"""A model is compiled for MLC-LLM by its commands, or one line says why not."""

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from build_scripts.mlc import tables
from common.models.artifacts.fingerprint import fingerprint
from tests.builder.support import Home
from tests.gpus import put_gpus
from tests.model_directories import change_json, model_flags
from tests.service_process import NVML, REPOSITORY

TOOLS = REPOSITORY / "tests/doubles/build_tools"
CONTRACT = json.loads((REPOSITORY / "tests/doubles/contracts/mlc_llm_tools.json").read_text())
ANY_GPU = ("--device", "vulkan")
AWQ = {"quant_method": "awq", "bits": 4, "group_size": 128, "version": "gemm"}
BLOCKS = {"quant_method": "fp8", "weight_block_size": [128, 128], "activation_scheme": "dynamic"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    folders = (TOOLS / "mlc", NVML, REPOSITORY)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, folders)))
    put_gpus(monkeypatch, "Double GPU, 8.0")
    return Home(tmp_path / "home", "build_scripts.mlc")


def test_what_a_service_needs_is_built_once(home: Home) -> None:
    artifact = home.build("--context-window-size", "512", "--max-batch-size", "16")
    names = {"lib.so", "mlc-chat-config.json", "tensor-cache.json", "tokenizer.json"}
    assert names <= {file.name for file in artifact.path.iterdir()}
    manifest = artifact.manifest
    assert (manifest.kind, manifest.scheme) == ("mlc", "q4f16_1")
    assert manifest.tools == {"mlc_llm": "0.20.dev512"}
    assert (manifest.gpu, manifest.compute_capability) == ("Double GPU", "8.0")
    written = json.loads((artifact.path / "mlc-chat-config.json").read_text())
    assert written["context_window_size"] == 512
    assert written["conv_template"] == {"name": "chatml"}
    again = home.run("--context-window-size", "512", "--max-batch-size", "16")
    assert f"{artifact.tag} is there already" in again
    assert home.build("--max-batch-size", "16").tag != artifact.tag


def test_how_it_is_served_is_told(home: Home, tmp_path: Path) -> None:
    flags = model_flags(tmp_path)
    told = home.run(*flags, *ANY_GPU, "--context-window-size", "512")
    expected = (
        f"scripts/serve mlc --arg model={flags[1]} --arg quantization=q4f16_1 "
        "--arg max_model_len=512 --arg max_concurrency=128 --arg tensor_parallel_size=1"
    )
    assert f"serve it with: {expected}" in told
    assert home.build(*flags, *ANY_GPU, "--context-window-size", "512").manifest.results == {
        "serve": [expected],
        "settings": {
            "quantization": "q4f16_1",
            "max_model_len": 512,
            "max_concurrency": 128,
            "tensor_parallel_size": 1,
        },
    }


def test_the_model_stays_as_it_is(home: Home, tmp_path: Path) -> None:
    """MLC-LLM writes an index beside weights in one file; and then it would be another model."""
    flags = model_flags(tmp_path, rope_parameters={"rope_theta": 5e5, "rope_type": "default"})
    before = fingerprint(Path(flags[1]))
    artifact = home.build(*flags, *ANY_GPU)
    assert fingerprint(Path(flags[1])) == before == artifact.manifest.fingerprint


@pytest.mark.parametrize("scheme", [s for s in tables.schemes_of("llama") if "e4m3" not in s])
def test_every_scheme_has_the_commands_that_are_recorded(
    home: Home, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv("DOUBLE_GPUS", "Double GPU, 9.0")
    device = "cuda" if tables.SCHEMES[scheme].device else "metal"
    shown = home.run("--dry-run", "--quantization", scheme, "--device", device)
    for command in ("convert_weight", "gen_config", "compile"):
        (line,) = [line for line in shown.splitlines() if f" mlc_llm {command} " in line]
        assert_recorded(command, line)


def assert_recorded(command: str, line: str) -> None:
    words = line.split(f" mlc_llm {command} ")[1].split()
    given = dict(zip(words[1::2], words[2::2], strict=True))
    for flag, value in given.items():
        assert flag in CONTRACT[command], flag
        assert CONTRACT[command][flag] is None or value in CONTRACT[command][flag]


def test_the_tables_are_those_of_mlc() -> None:
    assert set(tables.SCHEMES) == set(CONTRACT["gen_config"]["--quantization"])
    assert set(tables.TEMPLATES) == set(CONTRACT["gen_config"]["--conv-template"])


def test_fp8_is_measured_before_it_is_compiled(
    home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOUBLE_GPUS", "Double GPU, 8.9")
    fp8 = ("--quantization", "e4m3_e4m3_f16")
    artifact = home.build(*fp8)
    assert "params_shard_1.bin" in artifact.manifest.files
    shown = home.run("--dry-run", *fp8)
    commands = re.findall(r" mlc_llm (\w+) ", shown)
    compiling = ["gen_config", "compile"]
    assert commands == ["convert_weight", *compiling, "calibrate", *compiling]
    for command in commands:
        line = next(line for line in shown.splitlines() if f" mlc_llm {command} " in line)
        assert_recorded(command, line)
    short = tmp_path / "short.jsonl"
    short.write_text('{"prompt": "Hello", "answer": "a"}\n')
    assert "has 0 questions with an answer" in home.refusal(*fp8, "--calibration", str(short))
    assert "no effect" in home.refusal("--calibration", str(short))
    assert "none cannot be read" in home.refusal(*fp8, "--calibration", str(tmp_path / "none"))


def test_an_awq_checkpoint_is_named_by_its_file(home: Home, tmp_path: Path) -> None:
    """Of this format alone MLC-LLM takes no directory."""
    flags = model_flags(tmp_path, quantization_config=AWQ)
    awq = ("--quantization", "q4f16_autoawq")
    assert home.build(*flags, *awq, *ANY_GPU).manifest.scheme == "q4f16_autoawq"
    shown = home.run("--dry-run", *flags, *awq, *ANY_GPU)
    assert "--source-format awq --source SCRATCH/model/model.safetensors" in shown


REFUSED: dict[str, tuple[dict[str, Any], tuple[str, ...], str]] = {
    "family": ({"model_type": "mamba"}, (), "MLC-LLM has no mamba models; it has baichuan"),
    "awq of plain weights": ({}, ("q4f16_autoawq",), "needs a 4-bit AWQ checkpoint"),
    "awq of another family": (
        {"model_type": "mistral", "quantization_config": AWQ},
        ("q4f16_autoawq",),
        "MLC-LLM has it for llama, olmo, and this is mistral",
    ),
    "awq with other groups": (
        {"quantization_config": {**AWQ, "group_size": 64}},
        ("q4f16_autoawq",),
        "needs groups of 128, and this checkpoint has 64",
    ),
    "quantized already": (
        {"quantization_config": {"quant_method": "gptq"}},
        (),
        "needs plain weights, and these are gptq",
    ),
    "fp8 of plain weights": (
        {"model_type": "qwen3"},
        ("fp8_e4m3fn_bf16_block_scale", "--device", "cuda"),
        "needs an FP8 checkpoint with scales of blocks, and this is not quantized",
    ),
    "fp8 with other activations": (
        {"model_type": "qwen3", "quantization_config": BLOCKS},
        ("fp8_e4m3fn_bf16_block_scale_static_activation", "--device", "cuda"),
        "needs static activations, and this checkpoint has dynamic",
    ),
    "fp8 on an A100": (
        {},
        ("e5m2_e5m2_f16", "--device", "cuda"),
        "needs compute capability 8.9, and Double GPU has 8.0",
    ),
    "device": ({}, ("q4f16_ft",), "runs on cuda only, not on vulkan"),
    "a measuring scheme": ({}, ("e4m3_e4m3_f16_max_calibrate",), "it only measures"),
    "template": ({}, ("q4f16_1", "--conv-template", "a"), "--conv-template a: allowed are LM"),
    "no template": ({"model_type": "starcoder2"}, (), "known for this starcoder2 model; name one"),
    "context": ({}, ("q4f16_1", "--context-window-size", "9999"), "more than the model's 4096"),
    "shards of heads": ({}, ("q4f16_1", "--tensor-parallel-shards", "3"), "does not divide 4"),
    "shards of groups": (
        {"num_attention_heads": 6, "head_dim": 32, "intermediate_size": 768},
        ("q3f16_1", "--tensor-parallel-shards", "6"),
        "does not divide the 4 groups of 40 in heads x head_dim = 192",
    ),
    "shards of ft": (
        {},
        ("q4f16_ft", "--tensor-parallel-shards", "2", "--device", "cuda"),
        "q4f16_ft is for one GPU",
    ),
}


@pytest.mark.parametrize("mistake", REFUSED)
def test_what_cannot_be_compiled_is_one_line_before_any_work(
    home: Home, tmp_path: Path, mistake: str
) -> None:
    values, flags, told = REFUSED[mistake]
    scheme, *others = flags or ("q4f16_1",)
    device = () if "--device" in others else ANY_GPU
    line = home.refusal(
        *model_flags(tmp_path, **values), "--quantization", scheme, *others, *device
    )
    assert told in line
    assert home.left() == []


@pytest.mark.parametrize("command", ["convert_weight", "gen_config", "compile"])
@pytest.mark.parametrize("trouble", ["halfway", "disk", "nothing"])
def test_a_failed_command_leaves_nothing(home: Home, command: str, trouble: str) -> None:
    home.trouble = f"{command}={trouble}"
    home.run(*ANY_GPU, status=1)
    assert home.left() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_build_ends_its_tool(home: Home, number: signal.Signals) -> None:
    home.trouble = "compile=hang"
    home.interrupt(number, *ANY_GPU)
    assert not [name for name in home.left() if name.startswith("models")]


def test_a_model_without_a_chat_template_has_the_plain_one(home: Home, tmp_path: Path) -> None:
    flags = model_flags(tmp_path)
    change_json(Path(flags[1]) / "tokenizer_config.json", {"chat_template": None})
    assert "--conv-template LM " in home.run("--dry-run", *flags, *ANY_GPU)


def test_a_library_for_several_architectures_is_for_no_gpu_alone(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLC_MULTI_ARCH", "80,90a")
    manifest = home.build().manifest
    assert (manifest.gpu, manifest.arguments["architectures"]) == (None, "80,90a")


def test_without_mlc_one_line_says_how_to_install_it(tmp_path: Path) -> None:
    home = Home(tmp_path, "build_scripts.mlc")
    assert "install it with: pip install --pre" in home.refusal(*ANY_GPU)
    shown = home.run("--dry-run", *ANY_GPU)
    assert "mlc_llm convert_weight SCRATCH/model --quantization q4f16_1" in shown
    assert "cannot be built here: MLC-LLM is not installed" in shown
