"""GET /v1/models, POST /tokenize and /detokenize."""

import pytest

from tests.contract.support import Body, assert_error, model_card, tokenize, user
from tests.service_process import Service

FEATURES = {
    "embeddings", "dimensions", "images",
    "temperature", "top_p", "top_k", "min_p", "repetition_penalty", "presence_penalty",
    "frequency_penalty", "seed", "stop", "stop_token_ids", "min_tokens", "ignore_eos",
    "max_tokens", "n", "logprobs", "top_logprobs", "logit_bias", "response_format", "tools",
    "prompt_logprobs",
    "tool_choice", "stream", "echo", "chat_template_kwargs", "system_prompt",
    "add_generation_prompt", "continue_final_message", "reasoning_effort", "include_reasoning",
    "parallel_tool_calls",
    "add_special_tokens", "truncate_prompt_tokens", "skip_special_tokens",
    "regex", "grammar", "allowed_token_ids", "bad_words", "cache_salt", "priority",
    "include_stop_str_in_output", "return_token_ids", "return_tokens_as_token_ids",
}  # fmt: skip
TEXTS = ["Hello", "Zoë says 猫 and 🎉👩‍👩‍👧 to हिन्दी", " two  spaces\n\nand\ttabs ", "", "\x00\x7f"]


def detokenize(service: Service, ids: list[int], **fields: object) -> str:
    response = service.http.post("/detokenize", json={"tokens": ids, **fields})
    assert response.status_code == 200, response.text
    text: str = response.json()["prompt"]
    return text


def test_the_list_of_models_begins_with_the_one_that_is_served(backend_service: Service) -> None:
    value = backend_service.http.get("/v1/models").json()
    assert value["object"] == "list"
    card = value["data"][0]
    assert card["object"] == "model"
    assert card["backend"] == backend_service.backend
    assert isinstance(card["created"], int)
    for name in ("backend_version", "quantization", "dtype", "owned_by"):
        assert card[name]
        assert isinstance(card[name], str)
    assert card["max_model_len"] >= 4096
    assert card["reasoning"] is None


def test_a_model_is_served_by_its_name(backend_service: Service) -> None:
    card = model_card(backend_service)
    assert backend_service.http.get(f"/v1/models/{card['id']}").json() == card
    assert_error(backend_service.http.get("/v1/models/other"), 404, "model_not_found", "model")


def test_capabilities_name_every_feature_with_true_or_a_reason(backend_service: Service) -> None:
    capabilities = model_card(backend_service)["capabilities"]
    assert set(capabilities) == FEATURES
    for name, value in capabilities.items():
        assert value is True or len(value.split()) >= 4, name


def test_tokenize_returns_ids_their_count_and_the_limit(backend_service: Service) -> None:
    value = backend_service.http.post("/tokenize", json={"prompt": "Hello"}).json()
    assert set(value) == {"tokens", "count", "max_model_len"}
    assert value["count"] == len(value["tokens"]) > 0
    assert value["max_model_len"] == model_card(backend_service)["max_model_len"]


@pytest.mark.parametrize("text", TEXTS)
def test_text_survives_the_way_to_ids_and_back(backend_service: Service, text: str) -> None:
    ids = tokenize(backend_service, prompt=text, add_special_tokens=False)
    assert detokenize(backend_service, ids) == text
    assert detokenize(backend_service, tokenize(backend_service, prompt=text)).endswith(text)
    assert (
        detokenize(
            backend_service, tokenize(backend_service, prompt=text), skip_special_tokens=True
        )
        == text
    )


def test_the_bos_is_there_exactly_once(backend_service: Service) -> None:
    plain = tokenize(backend_service, prompt="Hello")
    bare = tokenize(backend_service, prompt="Hello", add_special_tokens=False)
    assert plain[1:] == bare
    bos = plain[0]
    rendered = tokenize(backend_service, messages=user("Hello"))
    assert rendered[0] == bos
    assert rendered.count(bos) == 1


def test_messages_are_rendered_by_the_chat_template(backend_service: Service) -> None:
    text = detokenize(backend_service, tokenize(backend_service, messages=user("Hello")))
    assert text.endswith("user\nHello<|im_end|>\n<|im_start|>assistant\n")


def test_a_long_text_is_tokenized_like_a_short_one(backend_service: Service) -> None:
    text = "Hello! " * 4000
    assert (
        detokenize(
            backend_service, tokenize(backend_service, prompt=text, add_special_tokens=False)
        )
        == text
    )


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/tokenize", {}, "prompt"),
        ("/tokenize", {"prompt": "a", "messages": [{"role": "user", "content": "a"}]}, "prompt"),
        ("/tokenize", {"messages": []}, "messages"),
        ("/tokenize", {"prompt": 5}, "prompt"),
        ("/detokenize", {}, "tokens"),
        ("/detokenize", {"tokens": ["a"]}, "tokens[0]"),
        ("/detokenize", {"tokens": [-1]}, "tokens[0]"),
        ("/detokenize", {"tokens": [10**6]}, "tokens"),
    ],
)
def test_what_cannot_be_converted_is_refused(
    backend_service: Service, path: str, body: Body, param: str
) -> None:
    assert_error(backend_service.http.post(path, json=body), 400, "invalid_value", param)


@pytest.mark.parametrize("path", ["/tokenize", "/detokenize"])
def test_another_model_is_not_found(backend_service: Service, path: str) -> None:
    body = {"model": "other", **({"prompt": "a"} if path == "/tokenize" else {"tokens": [5]})}
    assert_error(backend_service.http.post(path, json=body), 404, "model_not_found", "model")
