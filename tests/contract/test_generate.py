"""POST /generate answers with raw text as it is generated."""

import gc
from collections.abc import Iterator

import bentoml
import pytest

from tests.contract.support import (
    GENERATE,
    Samples,
    answer,
    chat,
    model_card,
    post,
    raw_post,
    text_of,
    tokenize,
    user,
)
from tests.limits import DEADLINE
from tests.service_process import Service, eventually

QUESTION = "How do you say cat in Japanese?"
EMOJI = "Zoë says 猫 and 🎉👩‍👩‍👧 to हिन्दी"


@pytest.fixture
def collected() -> Iterator[None]:
    """BentoML's clients leave a temporary directory to the garbage collector: here, not later."""
    yield
    gc.collect()


def prompt_tokens(service: Service, text: str, **fields: object) -> int:
    """Returns how many prompt tokens a request to /generate took."""
    before = Samples(service)["prompt_tokens_total"]
    assert post(service, GENERATE, text, max_tokens=1, **fields).status_code == 200
    eventually(lambda: Samples(service)["prompt_tokens_total"] > before, DEADLINE, "counted")
    return int(Samples(service)["prompt_tokens_total"] - before)


def generated_tokens(service: Service, text: str, **fields: object) -> int:
    before = Samples(service)["generated_tokens_total"]
    assert post(service, GENERATE, text, **fields).status_code == 200
    eventually(lambda: Samples(service)["generated_tokens_total"] > before, DEADLINE, "counted")
    return int(Samples(service)["generated_tokens_total"] - before)


def test_the_answer_is_a_chunked_stream_of_the_chat_answers_text(backend_service: Service) -> None:
    text = "What is the capital of Poland?"
    expected = text_of(chat(backend_service, user(text)))
    response = raw_post(backend_service, GENERATE, {"prompt": text, "temperature": 0})
    assert response.status == 200
    assert "content-type: text/event-stream; charset=utf-8\r\n" in response.head
    assert "transfer-encoding: chunked\r\n" in response.head
    assert response.complete
    assert len(response.chunks) > 1
    assert b"".join(response.chunks).decode() == expected


@pytest.mark.parametrize("text", [QUESTION, EMOJI])
def test_no_chunk_splits_a_code_point_and_none_is_empty(
    backend_service: Service, text: str
) -> None:
    limits = {"max_tokens": 200}
    if model_card(backend_service)["capabilities"]["min_tokens"] is True:
        limits["min_tokens"] = 1
    body = {"prompt": text, "temperature": 0, **limits}
    chunks = raw_post(backend_service, GENERATE, body).chunks
    assert all(chunk.decode() for chunk in chunks)
    expected = text_of(chat(backend_service, user(text), **limits))
    assert b"".join(chunks).decode() == expected


def test_without_a_default_null_absent_and_empty_system_prompts_are_the_same(
    backend_service: Service,
) -> None:
    plain = len(tokenize(backend_service, messages=user("Hello")))
    assert prompt_tokens(backend_service, "Hello") == plain
    assert prompt_tokens(backend_service, "Hello", system_prompt=None) == plain
    assert prompt_tokens(backend_service, "Hello", system_prompt="") == plain


def test_a_system_prompt_is_put_before_the_users_turn(backend_service: Service) -> None:
    messages = [{"role": "system", "content": "Answer in French."}, *user("Hello")]
    expected = len(tokenize(backend_service, messages=messages))
    assert prompt_tokens(backend_service, "Hello", system_prompt="Answer in French.") == expected


def test_without_max_tokens_an_answer_ends_after_1024_tokens(backend_service: Service) -> None:
    assert generated_tokens(backend_service, "Hello", ignore_eos=True) == 1024


def test_without_max_tokens_an_answer_fills_what_is_left_of_the_context(
    backend_service: Service,
) -> None:
    limit = model_card(backend_service)["max_model_len"]
    frame = len(tokenize(backend_service, messages=user("")))
    digits = limit - frame - 20
    prompt = "7" * digits
    left = limit - len(tokenize(backend_service, messages=user(prompt)))
    assert 0 < left < 1024
    assert generated_tokens(backend_service, prompt, ignore_eos=True) == left


def test_max_tokens_of_one_gives_one_token(backend_service: Service) -> None:
    assert generated_tokens(backend_service, "Hello", max_tokens=1) == 1


@pytest.mark.usefixtures("collected")
def test_bentomls_client_streams_the_same_text(backend_service: Service) -> None:
    text = "What can you do?"
    expected = text_of(chat(backend_service, user(text)))
    with bentoml.SyncHTTPClient(backend_service.url) as client:
        pieces = list(client.generate(prompt=text, temperature=0))
    assert len(pieces) > 1
    assert "".join(pieces) == expected


@pytest.mark.usefixtures("collected")
async def test_bentomls_async_client_streams_the_same_text(backend_service: Service) -> None:
    text = "What can you do?"
    expected = text_of(chat(backend_service, user(text)))
    async with bentoml.AsyncHTTPClient(backend_service.url) as client:
        pieces = [piece async for piece in client.generate(prompt=text, temperature=0)]
    assert len(pieces) > 1
    assert "".join(pieces) == expected


def test_the_schema_describes_generate_as_a_stream(backend_service: Service) -> None:
    schema = backend_service.http.get("/schema.json").json()
    (route,) = [route for route in schema["routes"] if route["route"] == GENERATE]
    assert route["output"]["is_stream"] is True
    assert route["input"]["required"] == ["prompt"]
    assert {"prompt", "system_prompt", "max_tokens"} <= set(route["input"]["properties"])


@pytest.mark.parametrize("path", ["/bentoml", "/docs.json"])
def test_bentomls_own_pages_are_served(backend_service: Service, path: str) -> None:
    assert backend_service.http.get(path).status_code == 200


def test_answers_of_the_other_routes_have_the_same_text(backend_service: Service) -> None:
    """The text of a prompt does not depend on the route."""
    text = "What colour is blood?"
    plain = post(backend_service, GENERATE, text, temperature=0).text
    assert plain == text_of(chat(backend_service, user(text)))
    ids = tokenize(backend_service, messages=user(text))
    body = {"prompt": ids, "temperature": 0}
    assert plain == text_of(backend_service.http.post("/v1/completions", json=body).json())
    assert answer(backend_service, "/v1/completions", text)["object"] == "text_completion"
