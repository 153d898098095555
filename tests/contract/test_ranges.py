"""Types and ranges of the fields: both ends are taken, what is beyond them is refused."""

from typing import Any

import pytest

from tests.contract.support import (
    CHAT,
    COMPLETIONS,
    GENERATE,
    MESSAGES,
    RESPONSES,
    Body,
    assert_error,
    model_card,
    post,
)
from tests.service_process import Service

INT64 = 2**63
RANGES: list[tuple[str, list[Any], list[Any]]] = [
    ("temperature", [0, 0.01, 2], [-0.001, 2.001, "1", True, [1]]),
    ("top_p", [0.001, 1], [0, 1.001, -1, "0.5", True]),
    ("top_k", [-1, 0, 1, 2.0, 2**31 - 1], [-2, 2**31, 1.5, "5", True]),
    ("min_p", [0, 1], [-0.001, 1.001, "0"]),
    ("repetition_penalty", [0.001, 2], [0, 2.001, -1, "1"]),
    ("presence_penalty", [-2, 2], [-2.001, 2.001, "0"]),
    ("frequency_penalty", [-2, 2], [-2.001, 2.001, "0"]),
    ("seed", [-INT64, 0, 1.0, INT64 - 1], [-INT64 - 1, INT64, 1.5, "1", True, 10**40]),
    ("stop", ["a", ["a"], ["a"] * 16, []], ["", [""], ["a"] * 17, 5, [5], {"a": 1}]),
    ("stop", ["a" * 1000], ["a" * 1001, ["a", "a" * 1001]]),
    ("stop_token_ids", [[], [5], [5] * 256], [5, ["5"], [-1], [2**31], [5] * 257, [5.5]]),
    ("min_tokens", [0, 2], [-1, 3, "1", 1.5, True]),
    ("max_tokens", [1, 1.0], [0, -1, "5", 2.5, True, 10**40]),
    ("ignore_eos", [True, False], ["true", 1, "yes"]),
    ("logit_bias", [{}, {"5": 100, "6": -100}], [[5], {"a": 1}, {"5": 101}, {"5": -101}, {"-1": 1},
                                                 {"5": "1"}, {"5.0": 1}, {"99999999": 1}]),
    ("response_format", [{"type": "text"}, {"type": "json_object"}],
     [{"type": "xml"}, "json", {}, {"type": "json_schema"}]),
]  # fmt: skip
OPENAI_RANGES: list[tuple[str, list[Any], list[Any]]] = [
    ("prompt_logprobs", [0, 20, 1.0], [21, -1, True, "1"]),
    ("n", [1, 128, 2.0], [0, 129, -1, "2", 1.5, True]),
    ("stream", [True, False], ["true", 1]),
    (
        "stream_options",
        [{}, {"include_usage": False}],
        [5, {"include_usage": "yes"}, {"include_usage": 1}],
    ),
]
CHAT_RANGES: list[tuple[str, list[Any], list[Any]]] = [
    ("max_completion_tokens", [1], [0, "5"]),
    ("logprobs", [True, False], [1, "true"]),
    ("chat_template_kwargs", [{}, {"enable_thinking": False}], [5, "a", [1]]),
    ("tools", [[]], [{}, "a"]),
]
COMPLETION_RANGES: list[tuple[str, list[Any], list[Any]]] = [
    ("echo", [True, False], [1, "true"]),
    ("logprobs", [0, 20, 1.0], [21, -1, True, "1"]),
]
RESPONSES_RANGES: list[tuple[str, list[Any], list[Any]]] = [
    ("max_output_tokens", [1], [0, "5"]),
    ("stream", [True, False], ["true", 1]),
]
MESSAGES_RANGES: list[tuple[str, list[Any], list[Any]]] = [
    ("temperature", [0, 1], [-0.001, 1.001, "1"]),
    ("top_p", [0.001, 1], [0, 1.001]),
    ("top_k", [0, 1], [-1, 1.5, "5"]),
    ("stop_sequences", [[], ["a"] * 16], ["a", [""], ["a"] * 17]),
    ("stream", [True, False], ["true", 1]),
]
BY_ROUTE = [
    *((GENERATE, row) for row in RANGES),
    *((GENERATE, ("system_prompt", ["", "a"], [5, ["a"]])) for _ in "1"),
    *((CHAT, row) for row in [*OPENAI_RANGES, *CHAT_RANGES]),
    *((COMPLETIONS, row) for row in [*OPENAI_RANGES, *COMPLETION_RANGES]),
    *((RESPONSES, row) for row in RESPONSES_RANGES),
    *((MESSAGES, row) for row in MESSAGES_RANGES),
]
IDS = [f"{path.rsplit('/')[-1]}-{row[0]}" for path, row in BY_ROUTE]


@pytest.mark.parametrize(("path", "row"), BY_ROUTE, ids=IDS)
def test_each_end_of_a_range_is_taken_and_nothing_beyond(
    backend_service: Service, path: str, row: tuple[str, list[Any], list[Any]]
) -> None:
    name, good, bad = row
    codes = {"invalid_value", "context_length_exceeded"}
    capabilities = model_card(backend_service)["capabilities"]
    if capabilities.get(name, True) is not True:
        good = [None]
        codes.add("unsupported_parameter")
    elif path == COMPLETIONS and name == "logprobs" and capabilities["top_logprobs"] is not True:
        good = [0]
    limits = ("max_completion_tokens", "max_output_tokens")
    others: Body = {} if name in limits else {"max_tokens": 2}
    for value in [None, *good]:
        response = post(backend_service, path, **{**others, name: value})
        assert response.status_code == 200, (value, response.text)
    for value in bad:
        response = post(backend_service, path, **{**others, name: value})
        assert response.status_code == 400, (value, response.text)
        error = response.json()["error"]
        assert error["code"] in codes, value
        assert str(error["param"]).startswith(name), value


@pytest.mark.parametrize("path", [GENERATE, CHAT, COMPLETIONS, RESPONSES, MESSAGES])
def test_the_main_fields_have_the_same_ranges_on_every_route(
    backend_service: Service, path: str
) -> None:
    for name, value in (("temperature", 2.1), ("top_p", 0), ("max_tokens", 0), ("stop", [""])):
        name = "stop_sequences" if (path, name) == (MESSAGES, "stop") else name
        assert_error(post(backend_service, path, **{name: value}), 400, "invalid_value", name)


def test_top_logprobs_take_0_to_20_and_need_logprobs(backend_service: Service) -> None:
    capabilities = model_card(backend_service)["capabilities"]
    takes = {
        0: capabilities["logprobs"] is True,
        20: capabilities["logprobs"] is True and capabilities["top_logprobs"] is True,
    }
    for value, taken in takes.items():
        response = post(backend_service, CHAT, max_tokens=1, logprobs=True, top_logprobs=value)
        assert response.status_code == (200 if taken else 400)
    for value in (-1, 21):
        response = post(backend_service, CHAT, max_tokens=1, logprobs=True, top_logprobs=value)
        assert_error(response, 400, "invalid_value", "top_logprobs")
    assert_error(post(backend_service, CHAT, top_logprobs=1), 400, "invalid_value", "top_logprobs")


def test_stream_options_need_a_stream(backend_service: Service) -> None:
    response = post(backend_service, CHAT, stream_options={"include_usage": True})
    assert_error(response, 400, "invalid_value", "stream_options")


@pytest.mark.parametrize("field", ["stream", "n", "messages", "tools", "logprobs"])
def test_generate_has_no_openai_fields(backend_service: Service, field: str) -> None:
    assert_error(post(backend_service, GENERATE, **{field: 1}), 400, "unknown_parameter", field)


@pytest.mark.parametrize("prompt", ["", None, 5, ["a"]])
def test_generate_needs_a_prompt_of_at_least_one_character(
    backend_service: Service, prompt: object
) -> None:
    response = backend_service.http.post(GENERATE, json={"prompt": prompt})
    assert_error(response, 400, "invalid_value", "prompt")


@pytest.mark.parametrize(
    ("path", "name"), [(GENERATE, "prompt"), (CHAT, "messages"), (COMPLETIONS, "prompt")]
)
def test_a_missing_prompt_is_named(backend_service: Service, path: str, name: str) -> None:
    response = backend_service.http.post(path, json={})
    assert name in assert_error(response, 400, "invalid_value", name)


def test_a_message_says_what_is_allowed(backend_service: Service) -> None:
    limits: list[tuple[str, object, str]] = [
        ("temperature", 3, "2"),
        ("top_k", -5, "-1"),
        ("stop", ["a"] * 17, "16"),
        ("seed", INT64, str(INT64)),
    ]
    if model_card(backend_service)["capabilities"]["min_tokens"] is True:
        limits.append(("min_tokens", 100, "2"))
    for name, value, allowed in limits:
        response = post(backend_service, GENERATE, max_tokens=2, **{name: value})
        assert allowed in assert_error(response, 400, "invalid_value", name)
