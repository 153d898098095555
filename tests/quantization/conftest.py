"""Checkpoints of the demo model, each built once by the command that a person types."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from common.models.artifacts import Artifact
from tests.builder.support import Home
from tests.service_process import REPOSITORY

MAKERS = {
    "awq": ("build_scripts.awq", "--samples", "32", "--no-quality"),
    "autoawq": ("build_scripts.awq", "--format", "autoawq", "--samples", "32", "--no-quality"),
    "gptq": ("build_scripts.quantize", "--scheme", "gptq", "--samples", "32", "--no-quality"),
    "int8": ("build_scripts.quantize", "--scheme", "int8", "--samples", "32", "--no-quality"),
    "fp8": ("build_scripts.quantize", "--scheme", "fp8", "--no-quality"),
}
Checkpoint = Callable[[str], Artifact]


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for name in ("llmcompressor", "autoawq"):
        if (REPOSITORY / f".venv-{name}" / "bin" / "python").exists():
            continue
        message = f".venv-{name} is not there: scripts/setup {name}"
        if os.environ.get("CI") or os.environ.get("LLM_TEST_ALL"):
            pytest.fail(message)
        pytest.skip(message)
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def checkpoint(home: Path) -> Checkpoint:
    """Building what is there already is what the second test that asks for it does."""

    def build(name: str) -> Artifact:
        module, *arguments = MAKERS[name]
        return Home(home, module).build(*arguments)

    return build
