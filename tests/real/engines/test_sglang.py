"""SGLang on a GPU: it compiles kernels at its start, heeds seeds, and its death is told."""

from tests.contract.support import GENERATE, post
from tests.real.engines.support import assert_capital, assert_death_is_told, started
from tests.real.marks import real


@real("sglang", gpus=1)
async def test_the_death_of_a_process_is_told() -> None:
    with started() as service:
        assert_capital(service)
        await assert_death_is_told(service)


@real("sglang", gpus=1)
def test_seeds_are_heeded_in_deterministic_mode() -> None:
    with started(engine_args={"enable_deterministic_inference": True}) as service:

        def text(seed: int) -> str:
            return post(service, GENERATE, "Hello", seed=seed, temperature=2, max_tokens=30).text

        assert text(1) == text(1)
        assert len({text(seed) for seed in range(8)}) > 1


@real("sglang", gpus=2)
async def test_two_gpus_share_the_model() -> None:
    with started(tensor_parallel_size=2) as service:
        assert_capital(service)
        await assert_death_is_told(service)
