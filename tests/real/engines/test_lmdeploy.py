"""LMDeploy on a GPU: TurboMind's library, a KV cache that is too small, and two GPUs."""

import subprocess

from tests.contract.support import GENERATE, post
from tests.real.engines.support import assert_capital, assert_death_is_told, started
from tests.real.marks import real
from tests.service_process import START_DEADLINE, interpreter, start_service


@real("lmdeploy", gpus=1)
def test_turbomind_s_library_is_loaded_beside_torch() -> None:
    code = "import torch, lmdeploy.turbomind; import _turbomind"
    done = subprocess.run([interpreter("lmdeploy"), "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@real("lmdeploy", gpus=1)
def test_a_kv_cache_that_is_too_small_is_refused_at_the_start_or_serves_long_prompts() -> None:
    service = start_service("lmdeploy", wait=False, gpu_memory_utilization=0.0001)
    try:
        while service.process.poll() is None and not service.is_ready():
            pass
        if service.process.poll() is None:
            answer = post(service, GENERATE, "word " * 1000, max_tokens=4)
            assert answer.status_code in (200, 400), answer.text
        else:
            assert service.process.wait(START_DEADLINE) == 1
            assert service.log_text().count("error: ") == 1
    finally:
        service.stop()


@real("lmdeploy", gpus=2)
async def test_two_gpus_share_the_model() -> None:
    with started(tensor_parallel_size=2, engine_args={"backend": "pytorch"}) as service:
        assert_capital(service)
        await assert_death_is_told(service)
