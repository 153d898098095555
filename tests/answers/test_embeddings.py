"""Transformers and vLLM make the same vectors of a text.

The other tests' services generate, and a service does one or the other: so each is started here.
"""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from tests.answers.conftest import questions
from tests.model_directories import embedding_model
from tests.service_process import Service, start_service

TEXTS = [question["messages"][-1]["content"] for question in questions()[::40]]
LIKE = 0.9995
"""The least cosine of vectors that both compute in bfloat16."""

Vectors = list[list[float]]


@pytest.fixture(scope="module")
def embedding(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Service]]:
    """Returns a service of each engine that embeds with a model, by its name."""
    folder = embedding_model(tmp_path_factory.mktemp("model"), matryoshka_dimensions=[64])
    start = partial(start_service, model=str(folder))
    with start("transformers") as first, start("vllm") as second:
        yield {service.backend: service for service in (first, second)}


def vectors(service: Service, given: list[str] | str, **fields: object) -> Vectors:
    response = service.http.post("/v1/embeddings", json={"input": given, **fields})
    assert response.status_code == 200, response.text
    return [entry["embedding"] for entry in response.json()["data"]]


def likeness(first: Vectors, second: Vectors) -> float:
    """Returns the least cosine of two vectors, which have the length 1, in the same place."""
    pairs = zip(first, second, strict=True)
    return min(dot(*pair) for pair in pairs)


def dot(first: list[float], second: list[float]) -> float:
    return math.fsum(a * b for a, b in zip(first, second, strict=True))


def test_both_make_the_same_vectors(embedding: dict[str, Service]) -> None:
    ours, others = (vectors(service, TEXTS) for service in embedding.values())
    assert likeness(ours, others) > LIKE
    assert dot(ours[0], ours[1]) < LIKE


@pytest.mark.parametrize("backend", ["transformers", "vllm"])
def test_a_text_has_the_same_vector_among_others(
    embedding: dict[str, Service], backend: str
) -> None:
    service = embedding[backend]
    alone = [vectors(service, text)[0] for text in TEXTS[:4]]
    assert likeness(alone, vectors(service, TEXTS)[:4]) > LIKE


@pytest.mark.parametrize("backend", ["transformers", "vllm"])
def test_a_cut_vector_is_the_beginning_of_the_whole(
    embedding: dict[str, Service], backend: str
) -> None:
    (whole,) = vectors(embedding[backend], TEXTS[0])
    (cut,) = vectors(embedding[backend], TEXTS[0], dimensions=64)
    length = math.hypot(*whole[:64])
    assert likeness([cut], [[number / length for number in whole[:64]]]) > LIKE


@pytest.mark.parametrize("backend", ["transformers", "vllm"])
def test_many_ask_at_once(embedding: dict[str, Service], backend: str) -> None:
    service = embedding[backend]
    with ThreadPoolExecutor() as pool:
        answered = pool.map(lambda text: vectors(service, [text] * 8), TEXTS)
    assert [len(each) for each in answered] == [8] * len(TEXTS)
    assert service.http.get("/readyz").status_code == 200
