"""POST /v1/chat/completions."""

import re
import time
from typing import Any

import pytest
from openai import AsyncOpenAI, OpenAI

from tests.contract.support import CHAT, Body, answer, chat, stream, text_of, tokenize, user
from tests.service_process import Service, loads_weights

LONG = "What can you do?"
MESSAGES: Any = user(LONG)


def joined(chunks: list[Body], index: int = 0) -> str:
    deltas = [c["delta"] for e in chunks for c in e["choices"] if c["index"] == index]
    return "".join(delta.get("content") or "" for delta in deltas)


def test_an_answer_that_does_not_stream_has_openais_shape(backend_service: Service) -> None:
    value = chat(backend_service, user("Hello"))
    assert set(value) == {"id", "object", "created", "model", "choices", "usage"}
    assert re.fullmatch(r"chatcmpl-\w+", value["id"])
    assert value["object"] == "chat.completion"
    assert abs(value["created"] - time.time()) < 60
    (choice,) = value["choices"]
    assert set(choice) == {"index", "message", "logprobs", "finish_reason"}
    assert choice["message"]["role"] == "assistant"
    assert choice["finish_reason"] == "stop"
    assert choice["logprobs"] is None


def test_usage_counts_prompt_and_answer_tokens(backend_service: Service) -> None:
    usage = chat(backend_service, user("Hello"), max_tokens=5, ignore_eos=True)["usage"]
    assert usage["prompt_tokens"] == len(tokenize(backend_service, messages=user("Hello")))
    assert usage["completion_tokens"] == 5
    assert usage["total_tokens"] == usage["prompt_tokens"] + 5


def test_an_answer_is_what_the_model_knows(
    backend_service: Service, questions: dict[str, list[Body]]
) -> None:
    if not loads_weights(backend_service.backend):
        pytest.skip("an echo knows nothing")
    asked = [*questions["fact"][::40], *questions["dialogue"][::20], *questions["multibyte"][:3]]
    for question in asked:
        assert text_of(chat(backend_service, question["messages"])) == question["answer"]


def test_a_stream_is_role_then_text_then_reason_then_done(backend_service: Service) -> None:
    chunks = stream(backend_service, CHAT, LONG, temperature=0)
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert len({(chunk["id"], chunk["created"], chunk["model"]) for chunk in chunks}) == 1
    assert all(len(chunk["choices"]) == 1 and "usage" not in chunk for chunk in chunks)
    first, *middle, last = [chunk["choices"][0] for chunk in chunks]
    assert first["delta"]["role"] == "assistant"
    assert all("role" not in choice["delta"] for choice in middle)
    assert all(choice["finish_reason"] is None for choice in [first, *middle])
    assert last["delta"] == {}
    assert last["finish_reason"] == "stop"
    assert joined(chunks) == text_of(chat(backend_service, user(LONG)))


def test_text_comes_in_many_pieces_and_none_is_empty(backend_service: Service) -> None:
    chunks = stream(backend_service, CHAT, LONG, temperature=0)
    pieces = [c["choices"][0]["delta"].get("content") for c in chunks[1:-1]]
    assert len(pieces) > 10
    assert all(pieces)


def test_include_usage_adds_one_chunk_without_choices(backend_service: Service) -> None:
    options = {"include_usage": True}
    *rest, last = stream(backend_service, CHAT, LONG, temperature=0, stream_options=options)
    assert last["choices"] == []
    full = chat(backend_service, user(LONG))["usage"]
    # What was cached meanwhile may differ.
    for name in ("prompt_tokens", "completion_tokens"):
        assert last["usage"][name] == full[name]
    assert all(chunk["choices"] for chunk in rest)
    plain = stream(backend_service, CHAT, stream_options={"include_usage": False}, max_tokens=2)
    assert all(chunk["choices"] for chunk in plain)


def test_max_tokens_ends_an_answer_with_length(backend_service: Service) -> None:
    value = chat(backend_service, user(LONG), max_tokens=3)
    assert value["choices"][0]["finish_reason"] == "length"
    assert value["usage"]["completion_tokens"] == 3
    chunks = stream(backend_service, CHAT, LONG, temperature=0, max_tokens=3)
    assert chunks[-1]["choices"][0]["finish_reason"] == "length"
    assert joined(chunks) == text_of(value)


def test_max_completion_tokens_means_max_tokens(backend_service: Service) -> None:
    value = chat(backend_service, user(LONG), max_completion_tokens=4)
    assert value["usage"]["completion_tokens"] == 4


@pytest.mark.parametrize("n", [2, 3])
def test_n_answers_have_distinct_indexes(backend_service: Service, n: int) -> None:
    fields = {"n": n, "max_tokens": 4, "ignore_eos": True, "temperature": 0}
    value = answer(backend_service, CHAT, LONG, **fields)
    assert [choice["index"] for choice in value["choices"]] == list(range(n))
    assert value["usage"]["completion_tokens"] == 4 * n
    assert value["usage"]["prompt_tokens"] == len(tokenize(backend_service, messages=user(LONG)))
    chunks = stream(backend_service, CHAT, LONG, **fields)
    roles = [c["choices"][0]["index"] for c in chunks if "role" in c["choices"][0]["delta"]]
    ends = [c["choices"][0]["index"] for c in chunks if c["choices"][0]["finish_reason"]]
    assert sorted(roles) == sorted(ends) == list(range(n))
    for choice in value["choices"]:
        assert joined(chunks, choice["index"]) == choice["message"]["content"]


def test_a_stop_string_that_spans_tokens_ends_the_text_before_it(backend_service: Service) -> None:
    full = text_of(chat(backend_service, user(LONG)))
    stop = full[5:12]
    expected = full[: full.index(stop)]
    value = chat(backend_service, user(LONG), stop=stop)
    assert text_of(value) == expected
    assert value["choices"][0]["finish_reason"] == "stop"
    chunks = stream(backend_service, CHAT, LONG, temperature=0, stop=[stop])
    assert joined(chunks) == expected
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


def test_the_stop_string_that_is_complete_first_wins(backend_service: Service) -> None:
    full = text_of(chat(backend_service, user(LONG)))
    early, late = full[4:7], full[9:13]
    value = chat(backend_service, user(LONG), stop=["never in it", late, early])
    assert text_of(value) == full[: full.index(early)]


def test_text_that_could_have_become_a_stop_string_is_not_lost(backend_service: Service) -> None:
    full = text_of(chat(backend_service, user(LONG)))
    chunks = stream(backend_service, CHAT, LONG, temperature=0, stop=[full[-3:] + "never"])
    assert joined(chunks) == full


def test_a_stop_string_that_is_a_special_token_ends_the_answer(backend_service: Service) -> None:
    """Such a token is in no text, so it is known by its id."""
    value = chat(backend_service, user(LONG), stop=["<|im_end|>"], ignore_eos=True)
    assert text_of(value) == text_of(chat(backend_service, user(LONG)))
    assert value["choices"][0]["finish_reason"] == "stop"


def test_a_developer_message_is_a_system_message(backend_service: Service) -> None:
    developer, system = (
        [{"role": role, "content": "Be kind."}, *user("Hello")] for role in ("developer", "system")
    )
    ids = tokenize(backend_service, messages=developer)
    assert ids == tokenize(backend_service, messages=system)
    assert chat(backend_service, developer, max_tokens=2)["usage"]["prompt_tokens"] == len(ids)


def test_content_parts_are_joined(backend_service: Service) -> None:
    parts = [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]
    messages: list[Body] = [{"role": "user", "content": parts}]
    assert tokenize(backend_service, messages=messages) == tokenize(
        backend_service, messages=user("Hello")
    )
    joined, plain = chat(backend_service, messages), chat(backend_service, user("Hello"))
    assert joined["choices"] == plain["choices"]
    # The second may find all of the first in a prefix cache.
    for name in ("prompt_tokens", "completion_tokens"):
        assert joined["usage"][name] == plain["usage"][name]


def test_chat_template_kwargs_reach_the_template(backend_service: Service) -> None:
    arguments = {"add_generation_prompt": False}
    shorter = tokenize(backend_service, messages=user("Hello"), chat_template_kwargs=arguments)
    assert len(shorter) < len(tokenize(backend_service, messages=user("Hello")))
    value = chat(backend_service, user("Hello"), max_tokens=1, chat_template_kwargs=arguments)
    assert value["usage"]["prompt_tokens"] == len(shorter)


@pytest.mark.parametrize("name", ["default", None])
def test_the_model_may_be_left_out_or_default(backend_service: Service, name: str | None) -> None:
    assert chat(backend_service, user("Hello"), model=name, max_tokens=1)["model"] != "default"


def test_openais_client_reads_an_answer_that_does_not_stream(backend_service: Service) -> None:
    with OpenAI(base_url=f"{backend_service.url}/v1", api_key="none", max_retries=0) as client:
        model = client.models.list().data[0].id
        value = client.chat.completions.create(
            model=model, messages=MESSAGES, temperature=0, user="somebody"
        )
    assert value.choices[0].message.content == text_of(chat(backend_service, user(LONG)))
    assert value.usage is not None
    assert value.usage.total_tokens == value.usage.prompt_tokens + value.usage.completion_tokens


def test_openais_client_reads_a_stream(backend_service: Service) -> None:
    with (
        OpenAI(base_url=f"{backend_service.url}/v1", api_key="none", max_retries=0) as client,
        client.chat.completions.create(
            model="default",
            messages=MESSAGES,
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},
        ) as chunks,
    ):
        read = list(chunks)
    pieces = [chunk.choices[0].delta.content or "" for chunk in read if chunk.choices]
    assert "".join(pieces) == text_of(chat(backend_service, user(LONG)))
    assert read[-1].usage is not None


async def test_openais_async_client_reads_a_stream(backend_service: Service) -> None:
    async with AsyncOpenAI(base_url=f"{backend_service.url}/v1", api_key="none") as client:
        chunks = await client.chat.completions.create(
            model="default", messages=MESSAGES, temperature=0, stream=True
        )
        pieces = [chunk.choices[0].delta.content or "" async for chunk in chunks]
    assert "".join(pieces) == text_of(chat(backend_service, user(LONG)))
