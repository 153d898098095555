"""A bento of vLLM's CPU build with a quantized model in it, served from the store by what it
requires and nothing else."""

from pathlib import Path

import pytest

from tests.bentos.environment import environment_of
from tests.bentos.suite import DEPEND_ON_PACKAGING, run_suite
from tests.bentos.support import Store, info, tag
from tests.quantization.conftest import HAS_KERNEL, Checkpoint
from tests.service_process import Installed

QUESTIONS = Path(__file__).with_name("served_awq.py")


@pytest.mark.skipif(not HAS_KERNEL, reason="vLLM's kernel for 4 bits needs a CPU with AVX-512")
def test_the_contract_is_kept_with_a_quantized_model_that_answers_right(
    home: Path, tmp_path: Path, checkpoint: Checkpoint
) -> None:
    awq = checkpoint("awq").tag
    baked = ["--arg", f"model={awq}", "--arg", "served_model_name=demo"]
    place = Store(home).build("vllm", "--cpu", *baked)
    assert [model["tag"] for model in info(place)["models"]] == [awq]
    python = environment_of("vllm", place, tmp_path / "vllm")
    run_suite(Installed("vllm", tag(place), home, python), *DEPEND_ON_PACKAGING, QUESTIONS)
