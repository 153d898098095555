"""TGI on a GPU: the number format that it takes, and prompts where it cannot split a prefill."""

from tests.contract.support import GENERATE, post
from tests.real.engines.support import assert_capital, started
from tests.real.marks import real


@real("tgi", gpus=1)
def test_the_planned_number_format_reaches_the_launcher() -> None:
    with started(dtype="bfloat16") as service:
        assert_capital(service)
        assert "dtype: Some(" in service.log_text()


@real("tgi", gpus=1)
def test_the_whole_context_is_served_where_tokens_are_guessed() -> None:
    with started(engine_args={"speculate": 2}) as service:
        assert_capital(service)
        assert post(service, GENERATE, "word " * 900, max_tokens=4).status_code in (200, 400)


@real("tgi", gpus=2)
def test_two_gpus_share_the_model() -> None:
    with started(tensor_parallel_size=2) as service:
        assert_capital(service)
