"""vLLM on a GPU: its second model runner, which no CPU takes, and several workers."""

from tests.contract.support import GENERATE, post
from tests.real.engines.support import assert_capital, assert_death_is_told, started
from tests.real.marks import real
from tests.service_process import Service

LIMIT_OF_ENDS = 128
"""MAX_NUM_STOP_TOKEN_IDS of v1/worker/gpu/sample/logit_bias.py."""


@real("vllm", gpus=1)
def test_many_end_tokens_with_min_tokens_do_not_end_the_engine(real_service: Service) -> None:
    for count in (LIMIT_OF_ENDS - 2, LIMIT_OF_ENDS + 1, 2 * LIMIT_OF_ENDS):
        ends = list(range(10, 10 + count))
        answer = post(real_service, GENERATE, min_tokens=1, max_tokens=4, stop_token_ids=ends)
        assert answer.status_code in (200, 400), answer.text
        assert_capital(real_service)


@real("vllm", gpus=2)
async def test_two_gpus_share_the_model_and_the_death_of_a_worker_is_told() -> None:
    with started(tensor_parallel_size=2) as service:
        assert_capital(service)
        await assert_death_is_told(service)
