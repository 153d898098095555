"""Checkpoints of the demo model, each built once by the command that a person types."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from common.models.artifacts import Artifact
from common.models.model import DEMO_MODEL
from tests.builder.support import Home
from tests.service_process import REPOSITORY

LITTLE_TEXT = ("--samples", "4", "--sequence-length", "256")
MAKERS = {
    "awq": ("build_scripts.awq", *LITTLE_TEXT, "--questions", "QUESTIONS"),
    "autoawq": ("build_scripts.awq", "--format", "autoawq", *LITTLE_TEXT, "--no-quality"),
    "gptq": ("build_scripts.quantize", "--scheme", "gptq", *LITTLE_TEXT, "--no-quality"),
    "int8": ("build_scripts.quantize", "--scheme", "int8", *LITTLE_TEXT, "--no-quality"),
    "fp8": ("build_scripts.quantize", "--scheme", "fp8", "--no-quality"),
}
"""By name: the builder and its arguments. One of them measures what was lost."""
FOUR_BITS = ("awq", "autoawq", "gptq")
CPU = Path("/proc/cpuinfo")
HAS_KERNEL = CPU.is_file() and "avx512f" in CPU.read_text("utf-8").split()
"""Whether vLLM can multiply weights of 4 bits on this CPU."""
EVERY = 20
"""Of the demo model's questions, each so many-th is one of QUESTIONS."""
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
def commands(home: Path) -> dict[str, tuple[str, ...]]:
    """MAKERS, with a file of questions."""
    lines = (DEMO_MODEL / "questions.jsonl").read_text("utf-8").splitlines()[::EVERY]
    questions = home / "questions.jsonl"
    questions.write_text("\n".join(lines), "utf-8")
    return {
        name: tuple(str(questions) if word == "QUESTIONS" else word for word in words)
        for name, words in MAKERS.items()
    }


@pytest.fixture(scope="session")
def checkpoint(home: Path, commands: dict[str, tuple[str, ...]]) -> Checkpoint:
    built: dict[str, Artifact] = {}

    def build(name: str) -> Artifact:
        if name not in built:
            module, *arguments = commands[name]
            built[name] = Home(home, module, process=True).build(*arguments)
        return built[name]

    return build
