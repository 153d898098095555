"""No token id that the model lacks reaches an engine, and none ends it for others."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from common.models.model import DEMO_MODEL
from tests.conftest import require_backend
from tests.contract.support import (
    CHAT,
    COMPLETIONS,
    GENERATE,
    Body,
    answer,
    assert_error,
    model_card,
    post,
)
from tests.model_directories import EXTRA, LAST, add_tokens, demo_copy, forget_last_token
from tests.service_process import Service, start_service

TEXT = f"Hello {EXTRA}"
CONTEXT = 64
REFUSED = ("invalid_value", "unsupported_parameter")
OWN_MODEL = ["echo", "lmdeploy", "sglang", "tensorrt_llm", "tgi", "transformers", "vllm"]
"""The others run compiled models, of which there is one, or are another way to vLLM."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns a model whose tokenizer lacks the last id and has one more behind it. Its directory
    cannot be written to, but by root."""
    copy = demo_copy(tmp_path_factory.mktemp("model") / "demo")
    folder = forget_last_token(add_tokens(copy))
    for path in (*folder.iterdir(), folder):
        path.chmod(path.stat().st_mode & ~0o222)
    return folder


@pytest.fixture(scope="module", params=OWN_MODEL)
def service(request: pytest.FixtureRequest, model: Path) -> Iterator[Service]:
    backend: str = request.param
    require_backend(backend)
    with start_service(backend, model=model, max_model_len=CONTEXT) as started:
        yield started


def assert_still_right(service: Service) -> None:
    """The engine answers as before, whatever it was just asked."""
    value = answer(service, COMPLETIONS, "Hello", max_tokens=2, temperature=0)
    assert value["usage"]["completion_tokens"] > 0
    assert (
        value["choices"][0]["text"]
        == answer(service, COMPLETIONS, "Hello", max_tokens=2, temperature=0)["choices"][0]["text"]
    )


def test_the_models_directory_stays_as_it_was(service: Service, model: Path) -> None:
    assert_still_right(service)
    names = {path.name for path in model.rglob("*")}
    assert names == {path.name for path in DEMO_MODEL.iterdir()}


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
        {"prompt": [5], "logit_bias": {-1: 1}},
    ],
)
def test_ids_that_the_model_lacks_are_refused_and_others_are_answered(
    service: Service, fields: Body
) -> None:
    capabilities = model_card(service)["capabilities"]
    name = next((name for name in list(fields)[1:] if capabilities[name] is not True), None)
    response = service.http.post(COMPLETIONS, json=fields)
    if name is not None:
        assert_error(response, 400, "unsupported_parameter", name)
    else:
        param = list(fields)[1] if len(fields) > 1 else "prompt"
        assert_error(response, 400, "invalid_value", param)
    assert_still_right(service)


@pytest.mark.parametrize("min_tokens", [0, 1])
@pytest.mark.parametrize("ends", [[], [LAST]])
def test_an_id_that_only_the_model_has_is_answered_or_refused(
    service: Service, ends: list[int], min_tokens: int
) -> None:
    """TGI alone has to refuse it, since its prompts are texts."""
    body: Body = {"prompt": [5, LAST], "max_tokens": 2}
    if min_tokens:
        body["min_tokens"] = min_tokens
    if ends:
        body["stop_token_ids"] = ends
    response = service.http.post(COMPLETIONS, json=body)
    if response.status_code != 200:
        assert response.status_code == 400, response.text
        assert response.json()["error"]["code"] in REFUSED
        assert service.backend in ("tgi", "tensorrt_llm")
    assert_still_right(service)


def test_a_bias_of_an_id_that_only_the_model_has_makes_it_come(service: Service) -> None:
    if model_card(service)["capabilities"]["logit_bias"] is not True:
        pytest.skip("this backend has no logit_bias")
    body = {"prompt": [5], "max_tokens": 2, "logit_bias": {LAST: 100}, "temperature": 0}
    response = service.http.post(COMPLETIONS, json=body)
    assert response.status_code == 200, response.text
    assert response.json()["choices"][0]["text"] == ""
    assert response.json()["usage"]["completion_tokens"] == 2
    assert_still_right(service)


def test_prompt_and_answer_may_fill_the_context_and_no_more(service: Service) -> None:
    for prompt_tokens in (2, CONTEXT // 2, CONTEXT - 1):
        # These ids are those of a text, as TGI needs them.
        body = {"prompt": "<|im_start|>" * (prompt_tokens - 1), "ignore_eos": True}
        left = CONTEXT - prompt_tokens
        response = service.http.post(COMPLETIONS, json={**body, "max_tokens": left})
        if model_card(service)["capabilities"]["ignore_eos"] is not True:
            assert_error(response, 400, "unsupported_parameter", "ignore_eos")
            continue
        assert response.status_code == 200, response.text
        usage = response.json()["usage"]
        assert usage["prompt_tokens"] == prompt_tokens
        # TGI goes on behind its own end tokens with the text so far, which may be more tokens.
        counts = range(1, left + 1) if service.backend == "tgi" else [left]
        assert usage["completion_tokens"] in counts
        cut = service.http.post(COMPLETIONS, json={**body, "max_tokens": CONTEXT})
        assert cut.json()["usage"]["completion_tokens"] in counts
        beyond = service.http.post(COMPLETIONS, json={**body, "max_tokens": CONTEXT + 1})
        assert_error(beyond, 400, "context_length_exceeded", "max_tokens")
    assert_error(
        service.http.post(COMPLETIONS, json={"prompt": [5] * CONTEXT}),
        400,
        "context_length_exceeded",
        "prompt",
    )
    assert_still_right(service)


def test_tokens_are_those_of_the_tokenizer(service: Service) -> None:
    tokens = service.http.post("/tokenize", json={"prompt": EXTRA, "add_special_tokens": False})
    assert tokens.json()["tokens"] == [LAST + 1]
    text = service.http.post("/detokenize", json={"tokens": [LAST + 1]})
    assert text.json() == {"prompt": EXTRA}
    beyond = service.http.post("/detokenize", json={"tokens": [LAST + 2]})
    assert "0 to 768" in assert_error(beyond, 400, "invalid_value", "tokens")
