"""MLC-LLM on a GPU: what is compiled on this machine runs on it, on two GPUs, too."""

import subprocess

from tests.limits import BUILD_DEADLINE
from tests.real.engines.support import assert_capital, started
from tests.real.marks import real
from tests.service_process import REPOSITORY, Service, interpreter


@real("mlc", gpus=1)
def test_the_compiled_model_answers(real_service: Service) -> None:
    assert_capital(real_service)


@real("mlc", gpus=2)
def test_two_gpus_share_a_model_that_is_compiled_for_two() -> None:
    command = [str(interpreter("mlc")), "-m", "build_scripts.mlc", "--tensor-parallel-shards", "2"]
    done = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, timeout=BUILD_DEADLINE
    )
    assert done.returncode == 0, done.stderr
    with started(tensor_parallel_size=2) as service:
        assert_capital(service)
