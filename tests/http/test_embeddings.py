"""/v1/embeddings over an echo, whose vectors follow from the token ids alone."""

import asyncio
import base64
import math
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from common.engine import EmbedRequest
from common.http.runtime import Runtime
from services.echo import EchoEngine
from tests.contract.support import Body, assert_error
from tests.in_process import echo_runtime
from tests.model_directories import demo_copy, embedding_model

PATH = "/v1/embeddings"
TEXTS = ["What is the capital of France?", "Hello"]
SIZE = 256


@asynccontextmanager
async def serving(
    folder: Path, **settings: Any
) -> AsyncIterator[tuple[Runtime, httpx.AsyncClient]]:
    runtime, client = await echo_runtime(folder, **settings)
    async with client:
        yield runtime, client


async def ask(client: httpx.AsyncClient, given: Any, **fields: Any) -> Body:
    response = await client.post(PATH, json={"input": given, **fields})
    assert response.status_code == 200, response.text
    value: Body = response.json()
    return value


def vectors(value: Body) -> list[list[float]]:
    return [entry["embedding"] for entry in value["data"]]


async def test_the_vectors_stand_in_the_order_of_the_texts(tmp_path: Path) -> None:
    async with serving(embedding_model(tmp_path)) as (runtime, client):
        together = await ask(client, TEXTS)
        alone = [await ask(client, text) for text in TEXTS]
    assert [entry["index"] for entry in together["data"]] == [0, 1]
    assert vectors(together) == [vectors(each)[0] for each in alone]
    assert all(len(vector) == SIZE for vector in vectors(together))
    assert all(math.hypot(*vector) == pytest.approx(1) for vector in vectors(together))
    tokens = sum(each["usage"]["prompt_tokens"] for each in alone)
    assert together["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}
    assert together["model"] == runtime.model.served_name


async def test_token_ids_are_the_same_as_their_text(tmp_path: Path) -> None:
    async with serving(embedding_model(tmp_path)) as (runtime, client):
        ids = await runtime.tokenizer.encode_all(TEXTS, add_special_tokens=True)
        by_text = await ask(client, TEXTS)
        assert vectors(await ask(client, ids)) == vectors(by_text)
        assert vectors(await ask(client, ids[0])) == vectors(by_text)[:1]


async def test_base64_holds_the_same_numbers_in_32_bits(tmp_path: Path) -> None:
    async with serving(embedding_model(tmp_path)) as (_, client):
        (plain,) = vectors(await ask(client, TEXTS[0], encoding_format="float"))
        (packed,) = (await ask(client, TEXTS[0], encoding_format="base64"))["data"]
    assert array("f", base64.b64decode(packed["embedding"])) == array("f", plain)


async def test_a_vector_is_as_long_as_the_model_makes_it(tmp_path: Path) -> None:
    folder = embedding_model(tmp_path, modules=("Transformer", "Pooling"))
    async with serving(folder) as (_, client):
        (vector,) = vectors(await ask(client, TEXTS[0]))
    assert math.hypot(*vector) != pytest.approx(1)


async def test_a_cut_vector_has_the_length_1_again(tmp_path: Path) -> None:
    folder = embedding_model(
        tmp_path, modules=("Transformer", "Pooling"), matryoshka_dimensions=[64]
    )
    async with serving(folder) as (_, client):
        (whole,) = vectors(await ask(client, TEXTS[0]))
        (cut,) = vectors(await ask(client, TEXTS[0], dimensions=64))
        refused = await client.post(PATH, json={"input": "a", "dimensions": 65})
    length = math.hypot(*whole[:64])
    assert cut == pytest.approx([number / length for number in whole[:64]])
    assert "allowed are 64, 256" in assert_error(refused, 400, "invalid_value", "dimensions")


async def test_a_matryoshka_model_without_a_list_takes_any_size(tmp_path: Path) -> None:
    async with serving(embedding_model(tmp_path, is_matryoshka=True)) as (_, client):
        assert len(vectors(await ask(client, "a", dimensions=1))[0]) == 1
        refused = await client.post(PATH, json={"input": "a", "dimensions": SIZE + 1})
    assert "allowed are 1 to 256" in assert_error(refused, 400, "invalid_value", "dimensions")


async def test_another_model_takes_no_dimensions(tmp_path: Path) -> None:
    async with serving(embedding_model(tmp_path)) as (_, client):
        refused = await client.post(PATH, json={"input": "a", "dimensions": 64})
        (card,) = (await client.get("/v1/models")).json()["data"]
    message = assert_error(refused, 400, "unsupported_parameter", "dimensions")
    assert card["capabilities"]["dimensions"] in message
    assert card["capabilities"]["embeddings"] is True
    assert (card["task"], card["embedding_size"]) == ("embed", SIZE)


@pytest.mark.parametrize(
    ("fields", "code", "param", "words"),
    [
        ({"input": []}, "invalid_value", "input", "0 entries; allowed are 1 to 2048"),
        ({"input": ["a"] * 2049}, "invalid_value", "input", "2049 entries"),
        ({"input": [[]]}, "invalid_value", "input", "input[0] is empty"),
        ({"input": [[5], [768]]}, "invalid_value", "input", "allowed are 0 to 767"),
        ({"input": [["a"]]}, "invalid_value", "input", "not valid"),
        ({}, "invalid_value", "input", "required"),
        ({"input": ["a", [5] * 0]}, "invalid_value", "input", "not valid"),
        ({"input": ["a", "Hello " * 9000]}, "context_length_exceeded", "input", "4096 tokens"),
        ({"input": [[5], [5] * 4097]}, "context_length_exceeded", "input", "input[1] has 4097"),
        ({"input": "a", "encoding_format": "int8"}, "invalid_value", "encoding_format", "'base64'"),
        ({"input": "a", "dimensions": 0}, "invalid_value", "dimensions", "greater"),
        (
            {"input": "a", "truncate_prompt_tokens": 0},
            "invalid_value",
            "truncate_prompt_tokens",
            "-1 takes as many",
        ),
        ({"input": "a", "input_type": "query"}, "unsupported_parameter", "input_type", "before"),
        ({"input": "a", "inputs": "a"}, "unknown_parameter", "inputs", "did you mean 'input'"),
        ({"input": "a", "model": "other"}, "model_not_found", "model", "allowed is"),
    ],
)  # fmt: skip
async def test_what_cannot_be_embedded_is_refused(
    tmp_path: Path, fields: Body, code: str, param: str, words: str
) -> None:
    async with serving(embedding_model(tmp_path)) as (_, client):
        response = await client.post(PATH, json=fields)
    error = response.json()["error"]
    assert (error["code"], error["param"]) == (code, param), error
    assert response.status_code == (404 if code == "model_not_found" else 400)
    assert words in error["message"]


async def test_a_long_text_is_cut_where_the_request_says_so(tmp_path: Path) -> None:
    async with serving(embedding_model(tmp_path), max_model_len=16) as (runtime, client):
        ids = await runtime.tokenizer.encode("Hello " * 40, add_special_tokens=True)
        first = vectors(await ask(client, ids[:16]))
        assert vectors(await ask(client, "Hello " * 40, truncate_prompt_tokens=-1)) == first
        assert vectors(await ask(client, ids, truncate_prompt_tokens=16)) == first
        kept = await ask(client, "Hello", truncate_prompt_tokens=16)
        assert vectors(kept) == vectors(await ask(client, "Hello"))


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/generate", {"prompt": "a"}),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "a"}]}),
        ("/v1/completions", {"prompt": "a"}),
        ("/v1/responses", {"input": "a"}),
        ("/v1/messages", {"messages": [{"role": "user", "content": "a"}], "max_tokens": 1}),
    ],
)
async def test_a_service_that_embeds_generates_nothing(
    tmp_path: Path, path: str, body: Body
) -> None:
    async with serving(embedding_model(tmp_path)) as (_, client):
        response = await client.post(path, json=body)
    assert "embeds, and generates no text" in assert_error(response, 404, "not_found")


async def test_a_service_that_generates_embeds_nothing(tmp_path: Path) -> None:
    async with serving(demo_copy(tmp_path)) as (_, client):
        response = await client.post(PATH, json={"input": "a"})
        (card,) = (await client.get("/v1/models")).json()["data"]
    message = assert_error(response, 404, "not_found")
    assert card["capabilities"]["embeddings"] in message
    assert card["task"] == "generate"


async def test_more_texts_than_may_run_wait_and_all_are_counted(tmp_path: Path) -> None:
    async with serving(embedding_model(tmp_path), max_concurrency=2) as (runtime, client):
        value = await ask(client, ["a"] * 9)
        assert runtime.pipeline.admission.running == 0
        read = runtime.metrics.registry.get_sample_value
        labels = {"backend": "echo", "model": runtime.model.served_name, "quantization": "none"}
        counted = read("gen_ai_server_prompt_tokens_total", labels)
        ended = read("gen_ai_server_requests_total", {**labels, "outcome": "stop"})
        queued = read("gen_ai_server_time_in_queue_seconds_count", labels)
    assert len(value["data"]) == 9
    assert counted == value["usage"]["prompt_tokens"]
    assert (ended, queued) == (1, 1)


async def test_a_full_service_refuses_the_next_request(tmp_path: Path) -> None:
    one = {"max_concurrency": 1, "max_queue": 0}
    async with serving(embedding_model(tmp_path), **one) as (runtime, client):
        admission = runtime.pipeline.admission
        async with admission.slot(admission.admit("", 1)):
            assert_error(await client.post(PATH, json={"input": "a"}), 429, "overloaded")
        await ask(client, TEXTS)


async def test_a_cancelled_request_ends_the_work_on_each_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, ended = asyncio.Event(), []

    async def embed(self: EchoEngine, request: EmbedRequest) -> list[float]:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(request)
        return []

    headers = {"x-request-id": "some"}
    async with serving(embedding_model(tmp_path)) as (runtime, client):
        monkeypatch.setattr(EchoEngine, "embed", embed)
        asked = asyncio.create_task(client.post(PATH, json={"input": TEXTS}, headers=headers))
        await begun.wait()
        assert (await client.delete("/v1/requests/some")).status_code == 200
        assert_error(await asked, 499, "cancelled")
        assert runtime.pipeline.admission.running == 0
    assert len(ended) == len(TEXTS)


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [("request", 500, "internal_error"), ("death", 503, "engine_dead")],
)
async def test_a_failing_engine_is_an_error_of_the_whole_request(
    tmp_path: Path, failure: str, status: int, code: str
) -> None:
    async with serving(embedding_model(tmp_path), engine_args={"failure": failure}) as (_, client):
        response = await client.post(PATH, json={"input": TEXTS})
    assert_error(response, status, code)


async def test_an_engine_that_is_silent_for_too_long_is_a_timeout(tmp_path: Path) -> None:
    settings = {"engine_args": {"failure": "hang"}, "first_token_timeout": 0.05}
    async with serving(embedding_model(tmp_path), **settings) as (_, client):
        response = await client.post(PATH, json={"input": TEXTS})
    assert "no vector within 0.05" in assert_error(response, 504, "timeout")


async def test_the_probe_of_readiness_embeds(tmp_path: Path) -> None:
    async with serving(embedding_model(tmp_path), probe_interval=1e-9) as (_, client):
        assert (await client.get("/readyz")).status_code == 200
