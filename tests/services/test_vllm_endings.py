"""How vLLM's ways to end a generation are told to clients."""

from types import SimpleNamespace
from typing import Any

import pytest

from common.errors import InternalError, InvalidValue
from common.sampling import Sampling
from services._vllm.request import chunk


def ended(reason: str) -> Any:
    delta = SimpleNamespace(token_ids=[5], logprobs=None, finish_reason=reason)
    return SimpleNamespace(outputs=[delta], num_cached_tokens=0, prompt_logprobs=None)


def test_a_form_that_the_allowed_tokens_cannot_have_is_the_requests_fault() -> None:
    sampling = Sampling(max_tokens=5, regex="ab", allowed_token_ids=(0, 2))
    with pytest.raises(InvalidValue) as caught:
        chunk(ended("error"), sampling)
    assert caught.value.param == "allowed_token_ids"


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(max_tokens=5),
        Sampling(max_tokens=5, regex="ab"),
        Sampling(max_tokens=5, allowed_token_ids=(0, 2)),
    ],
)
def test_any_other_error_is_the_services(sampling: Sampling) -> None:
    with pytest.raises(InternalError, match="ended the generation with 'error'"):
        chunk(ended("error"), sampling)
    assert chunk(ended("stop"), sampling).finish_reason == "stop"
