"""Engines that take images name the colours of what they are shown, and both say the same.

The model is not the one that the shared services have, so each engine is started once for this
module: only a real engine shows that it counts and places the tokens of images as shared code does.
"""

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conftest import require_backend
from tests.contract.support import CHAT, MESSAGES, Body, model_card, text_of
from tests.images.pictures import (
    COLOURS,
    QUESTION,
    TOKENS,
    VISION_MODEL,
    about,
    asked,
    data_url,
    part,
    picture,
    text,
)
from tests.service_process import Service, start_service


@pytest.fixture(scope="module", params=["transformers", "vllm"])
def seeing(request: pytest.FixtureRequest) -> Iterator[Service]:
    backend: str = request.param
    require_backend(backend)
    with start_service(backend, model=VISION_MODEL, max_concurrency=64) as service:
        yield service


def ask(service: Service, messages: list[Body], **fields: object) -> Body:
    body = {"messages": messages, "temperature": 0, "max_tokens": 12, **fields}
    response = service.http.post(CHAT, json=body, timeout=120)
    assert response.status_code == 200, response.text
    value: Body = response.json()
    return value


def test_images_are_a_capability(seeing: Service) -> None:
    assert model_card(seeing)["capabilities"]["images"] is True


def test_answers_are_right_and_alike_alone_and_together(seeing: Service) -> None:
    """Each pair of colours in one batch, with questions that have no image between them."""
    pairs = list(itertools.product(COLOURS, repeat=2))
    questions = [*map(about, *zip(*pairs, strict=True)), *[asked(text("Hello"))] * 4]
    expected = [*map(" ".join, pairs), *["Hi there"] * 4]
    with ThreadPoolExecutor(len(questions)) as pool:
        together = list(pool.map(lambda messages: text_of(ask(seeing, messages)), questions))
    assert together == expected
    assert [text_of(ask(seeing, messages)) for messages in questions[::7]] == expected[::7]


def test_text_and_images_keep_their_order(seeing: Service) -> None:
    red, blue = (part(data_url(picture(colour))) for colour in ("red", "blue"))
    for parts, answer in (
        ((text(), red), "red"),
        ((red, text(), blue), "red blue"),
        ((blue, text(), red), "blue red"),
    ):
        assert text_of(ask(seeing, asked(*parts))) == answer


def test_the_engine_counts_the_tokens_of_images(seeing: Service) -> None:
    """Log-probabilities of the prompt are the engine's own, an entry for each token."""
    without, shown = (
        ask(seeing, messages, prompt_logprobs=1) for messages in (asked(text()), about("red"))
    )
    difference = shown["usage"]["prompt_tokens"] - without["usage"]["prompt_tokens"]
    assert difference == TOKENS
    assert len(shown["prompt_logprobs"]) == shown["usage"]["prompt_tokens"]


def test_a_prefix_cache_tells_images_apart(seeing: Service) -> None:
    """Prompts that fill blocks of the cache, and differ by the pixels of their images only."""

    def likeliest(colour: str) -> float:
        image = part(data_url(picture(colour)))
        value = ask(seeing, asked(image, text(QUESTION * 40)), max_tokens=1, logprobs=True)
        assert value["usage"]["prompt_tokens"] > 200
        (entry,) = value["choices"][0]["logprobs"]["content"]
        logprob: float = entry["logprob"]
        return logprob

    red, blue, red_again, blue_again = map(likeliest, ("red", "blue", "red", "blue"))
    assert red_again == pytest.approx(red, abs=1e-4)
    assert blue_again == pytest.approx(blue, abs=1e-4)
    assert abs(red - blue) > 1e-3


def test_an_image_in_a_message(seeing: Service) -> None:
    source = {"type": "base64", "media_type": "image/png"}
    source["data"] = data_url(picture("yellow")).partition(",")[2]
    content = [{"type": "image", "source": source}, text()]
    body = {"messages": [{"role": "user", "content": content}], "max_tokens": 9, "temperature": 0}
    response = seeing.http.post(MESSAGES, json=body, timeout=120)
    assert response.json()["content"][0]["text"] == "yellow"
