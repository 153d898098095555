"""No token id that the model lacks reaches an engine, and none ends it for others."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import require_backend
from tests.contract.support import CHAT, COMPLETIONS, GENERATE, Body, answer, assert_error, post
from tests.model_directories import EXTRA, add_tokens, demo_copy
from tests.service_process import Service, start_service

TEXT = f"Hello {EXTRA}"
LAST = 767
"""The model's last id; the tokenizer has one more."""


@pytest.fixture(scope="module", params=["echo", "transformers", "vllm"])
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """With a model of its own: that of the shared services has all ids of its tokenizer."""
    require_backend(request.param)
    model: Path = add_tokens(demo_copy(tmp_path_factory.mktemp("model") / "demo"))
    with start_service(request.param, model=model) as started:
        yield started


def test_the_log_warns_of_tokens_that_the_model_lacks(service: Service) -> None:
    warning = f"the tokenizer has 1 token that the model lacks, whose vocab_size is 768: '{EXTRA}'"
    assert warning in service.log_text()


@pytest.mark.parametrize(
    ("path", "param"), [(CHAT, "messages"), (GENERATE, "prompt"), (COMPLETIONS, "prompt")]
)
def test_a_text_with_such_a_token_is_refused_and_others_are_answered(
    service: Service, path: str, param: str
) -> None:
    message = assert_error(post(service, path, TEXT), 400, "invalid_value", param)
    assert "token id 768, which the tokenizer has and the model lacks" in message
    assert "0 to 767" in message
    assert post(service, path, "Hello", max_tokens=2).status_code == 200


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": ["Hello", TEXT]},
        {"prompt": [LAST + 1]},
        {"prompt": [[5], [5, LAST + 1]]},
        {"prompt": [5], "stop_token_ids": [LAST + 1]},
        {"prompt": [5], "stop_token_ids": [LAST + 1], "min_tokens": 1},
        {"prompt": [5], "logit_bias": {LAST + 1: 1}},
    ],
)
def test_ids_that_the_model_lacks_are_refused_and_others_are_answered(
    service: Service, fields: Body
) -> None:
    name = list(fields)[1] if len(fields) > 1 else "prompt"
    response = service.http.post(COMPLETIONS, json=fields)
    if name == "logit_bias" and service.backend == "echo":
        assert_error(response, 400, "unsupported_parameter", name)
    else:
        assert_error(response, 400, "invalid_value", name)
    assert answer(service, COMPLETIONS, "Hello", max_tokens=2)["usage"]["completion_tokens"] > 0


def test_the_models_last_id_is_answered(service: Service) -> None:
    body = {"prompt": [5, LAST], "max_tokens": 2, "min_tokens": 1, "stop_token_ids": [LAST]}
    response = service.http.post(COMPLETIONS, json=body)
    assert response.status_code == 200, response.text


def test_tokens_are_those_of_the_tokenizer(service: Service) -> None:
    tokens = service.http.post("/tokenize", json={"prompt": EXTRA, "add_special_tokens": False})
    assert tokens.json()["tokens"] == [LAST + 1]
    text = service.http.post("/detokenize", json={"tokens": [LAST + 1]})
    assert text.json() == {"prompt": EXTRA}
    beyond = service.http.post("/detokenize", json={"tokens": [LAST + 2]})
    assert "0 to 768" in assert_error(beyond, 400, "invalid_value", "tokens")
