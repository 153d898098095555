"""A model is compiled for MLC-LLM by its three commands, or one line says why not."""

import json
import os
from pathlib import Path

import pytest

from common.model import DEMO_MODEL
from tests.builder.support import Home
from tests.serving import REPOSITORY

DOUBLE = REPOSITORY / "tests/doubles/build_tools/mlc"
ANY_GPU = ("--device", "vulkan")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(DOUBLE), str(REPOSITORY))))
    return Home(tmp_path / "home", "build_scripts.mlc")


def test_what_a_service_needs_is_built_once(home: Home) -> None:
    artifact = home.build(*ANY_GPU, "--context-window-size", "512")
    names = {"lib.so", "mlc-chat-config.json", "tensor-cache.json"}
    assert names <= {file.name for file in artifact.path.iterdir()}
    assert (artifact.manifest.kind, artifact.manifest.scheme) == ("mlc", "q4f16_1")
    written = json.loads((artifact.path / "mlc-chat-config.json").read_text())
    assert written["context_window_size"] == "512"
    assert home.build(*ANY_GPU, "--context-window-size", "512").tag == artifact.tag
    assert home.build(*ANY_GPU, "--quantization", "q0f16").tag != artifact.tag


@pytest.mark.parametrize("command", ["convert_weight", "gen_config", "compile"])
@pytest.mark.parametrize("trouble", ["halfway", "disk", "nothing"])
def test_a_failed_command_leaves_nothing(home: Home, command: str, trouble: str) -> None:
    home.trouble = f"{command}={trouble}"
    home.run(*ANY_GPU, status=1)
    assert home.left() == []


def test_a_family_without_a_template_is_refused_by_name(home: Home, tmp_path: Path) -> None:
    for file in DEMO_MODEL.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "model_type": "strange"}))
    model = ("--model", str(tmp_path), *ANY_GPU)
    assert "known for strange" in home.refusal(*model)
    home.build(*model, "--conv-template", "LM")


def test_awq_needs_an_awq_checkpoint(home: Home) -> None:
    assert "needs an AWQ checkpoint" in home.refusal("--quantization", "q4f16_autoawq", *ANY_GPU)


def test_without_mlc_one_line_says_how_to_install_it(tmp_path: Path) -> None:
    home = Home(tmp_path, "build_scripts.mlc")
    assert "install it with: pip install --pre" in home.refusal(*ANY_GPU)
