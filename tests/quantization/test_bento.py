"""The bento of vLLM's CPU build, served from the store by what it requires and nothing else."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bentos.environment import environment_of
from tests.bentos.suite import DEPEND_ON_PACKAGING, run_suite
from tests.bentos.support import Store, info, tag
from tests.quantization.conftest import Checkpoint
from tests.service_process import Installed


@pytest.fixture(scope="module")
def bento(home: Path) -> Path:
    return Store(home).build("vllm", "--cpu")


@pytest.fixture(scope="module")
def python(bento: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("environments")
    yield environment_of("vllm", bento, folder)
    shutil.rmtree(folder, ignore_errors=True)


def test_the_contract_is_kept_with_the_demo_model(home: Path, bento: Path, python: Path) -> None:
    run_suite(Installed("vllm", tag(bento), home, python), *DEPEND_ON_PACKAGING)


def test_the_contract_is_kept_with_its_quantized_sibling(
    home: Path, python: Path, checkpoint: Checkpoint
) -> None:
    awq = checkpoint("awq").tag
    baked = ["--arg", f"model={awq}", "--arg", "served_model_name=demo"]
    place = Store(home).build("vllm", "--cpu", *baked)
    assert [model["tag"] for model in info(place)["models"]] == [awq]
    run_suite(Installed("vllm", tag(place), home, python), "test_generate.py", "test_chat.py")
