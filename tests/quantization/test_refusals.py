"""What cannot be quantized is one line, before anything takes long."""

import json
import shutil
from pathlib import Path

import pytest

from common.models.model import DEMO_MODEL
from tests.builder.support import Home


@pytest.fixture
def maker(tmp_path: Path) -> Home:
    return Home(tmp_path / "home", "build_scripts.awq")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DEMO_MODEL, tmp_path / "model"))


def change(file: Path, **values: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def write(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text, "utf-8")
    return str(folder / name)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("empty.jsonl", "\n\n", "empty.jsonl is empty; needed is text, or a line of JSON"),
        ("broken.jsonl", '{"text": "a"}\n{', "broken.jsonl, line 2 is not JSON"),
        ("list.jsonl", "[1]", "line 1 is not a JSON object with text, prompt or messages"),
        ("other.jsonl", '{"content": "a"}', "line 1 has none of text, prompt or messages"),
        ("short.txt", "One, two.", "less than one sample of --sequence-length 512"),
    ],
)
def test_a_calibration_file_that_cannot_be_used(
    maker: Home, tmp_path: Path, name: str, text: str, told: str
) -> None:
    assert told in maker.refusal("--calibration", write(tmp_path, name, text))
    assert maker.left() == []


def test_a_calibration_file_that_is_not_there(maker: Home) -> None:
    assert "cannot be read: No such file" in maker.refusal("--calibration", "./nowhere.jsonl")


def test_a_model_that_is_quantized_already(maker: Home, model: Path) -> None:
    change(model / "config.json", quantization_config={"quant_method": "gptq"})
    assert "is quantized already (gptq)" in maker.refusal("--model", str(model))


def test_groups_that_do_not_divide_the_columns(maker: Home, model: Path) -> None:
    header = {"model.layers.0.mlp.down_proj.weight": [256, 160], "lm_head.weight": [768, 100]}
    tensors = {
        name: {"dtype": "BF16", "shape": shape, "data_offsets": [0, 0]}
        for name, shape in header.items()
    }
    data = json.dumps(tensors).encode()
    (model / "model.safetensors").write_bytes(len(data).to_bytes(8, "little") + data)
    line = maker.refusal("--model", str(model))
    assert "groups of 128 do not divide the columns of model.layers.*.mlp.down_proj (160)" in line
    assert "what works is --group-size 32" in line


def test_a_family_that_autoawq_does_not_have(maker: Home, model: Path) -> None:
    change(model / "config.json", model_type="brandnew")
    line = maker.refusal("--model", str(model), "--format", "autoawq")
    assert "AutoAWQ has no brandnew models; use --format compressed-tensors" in line


def test_a_tool_that_is_not_installed(maker: Home) -> None:
    line = maker.refusal("--python", "/nowhere/python")
    assert "llm-compressor is not installed" in line
    assert "scripts/setup llmcompressor" in line


def test_longer_samples_than_the_model_takes(maker: Home) -> None:
    assert "--sequence-length 5000 is more than the model's" in maker.refusal(
        "--sequence-length", "5000"
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("gptq", "--format", "autoawq"), "--format autoawq is for scheme awq only"),
        (("fp8", "--calibration", "x.txt"), "scheme fp8 needs no calibration"),
    ],
)
def test_options_that_contradict_each_other(
    maker: Home, arguments: tuple[str, ...], told: str
) -> None:
    maker.module = "build_scripts.quantize"
    assert told in maker.refusal("--scheme", *arguments)


def test_a_dry_run_shows_three_commands(maker: Home) -> None:
    shown = maker.run("--dry-run")
    assert "-m build_scripts.quantize.with_llmcompressor --prepared SCRATCH" in shown
    assert shown.count("-m build_scripts.quantize.") == 3
    assert maker.left() == []
