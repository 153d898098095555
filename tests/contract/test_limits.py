"""What an engine's own code limits in one request is refused there, with the limit, for all."""

from collections.abc import Callable, Iterator
from dataclasses import fields

import pytest

from common.models.model import DEMO_MODEL, open_model
from common.sampling import Limits
from common.settings import Settings
from common.text.tokenizer import Tokenizer
from services._backends import load
from tests.conftest import SETTINGS
from tests.contract.support import COMPLETIONS, Body, answer, assert_error, body_for, model_card
from tests.service_process import Service

TOKENIZER = Tokenizer(DEMO_MODEL)
LONG_WORD = 30
FIRST_ID, LAST_ID = 100, 767
"""Ids of the demo model that mean nothing special."""


def ends(count: int) -> Body:
    """The model's own end token is one of them."""
    return {"stop_token_ids": list(range(FIRST_ID, FIRST_ID + count - 1))}


def ends_with_min_tokens(count: int) -> Body:
    return ends(count) | {"min_tokens": 1}


def logit_bias(count: int) -> Body:
    return {"logit_bias": {str(i): 0.5 for i in range(count)}}


def allowed_token_ids(count: int) -> Body:
    return {"allowed_token_ids": list(range(count))}


def words(count: int, length: int, size: Callable[[set[tuple[int, ...]]], int]) -> Body:
    """As many words as have up to `count` spellings, or tokens in these."""
    chosen: list[str] = []
    spelt: set[tuple[int, ...]] = set()
    for word in _words(length):
        spelt |= TOKENIZER.spellings(word)
        if chosen and size(spelt) > count:
            break
        chosen.append(word)
    return {"bad_words": chosen}


def _words(length: int) -> Iterator[str]:
    letters = "bcdfghjklmnpqrstvwxz"
    for first in letters:
        for second in letters:
            yield f"{first}{second}" * (length // 2)


def bad_words(count: int) -> Body:
    return words(count, 2, len)


def bad_word_tokens(count: int) -> Body:
    return words(count, LONG_WORD, lambda spelt: sum(map(len, spelt)))


REQUESTS: dict[str, Callable[[int], Body]] = {
    "ends": ends,
    "ends_with_min_tokens": ends_with_min_tokens,
    "logit_bias": logit_bias,
    "allowed_token_ids": allowed_token_ids,
    "bad_words": bad_words,
    "bad_word_tokens": bad_word_tokens,
}
"""A request for each of Limits' fields, with so many of what it counts."""
USUAL = {"ends": 256, "ends_with_min_tokens": 256, "logit_bias": 700, "allowed_token_ids": 700}
"""What the API takes of any engine, or the demo model has."""


def test_each_limit_has_its_request() -> None:
    assert REQUESTS.keys() == {field.name for field in fields(Limits)}


@pytest.mark.parametrize("name", REQUESTS)
def test_as_much_is_taken_as_the_engine_declares(backend_service: Service, name: str) -> None:
    most = declared(backend_service.backend, name)
    counts = {1, most or USUAL.get(name, 200)}
    if most is not None:
        counts.add(most + (100 if name.startswith("bad_word") else 1))
    for count in sorted(counts):
        body = REQUESTS[name](count)
        param = "min_tokens" if "min_tokens" in body else next(iter(body))
        if name in ("logit_bias", "allowed_token_ids") and count > LAST_ID:
            # More than the demo model has: see tests/http/test_parameters.py.
            continue
        response = backend_service.http.post(
            COMPLETIONS, json=body_for(COMPLETIONS, "Hello", max_tokens=2, **body)
        )
        if model_card(backend_service)["capabilities"][param] is not True:
            assert_error(response, 400, "unsupported_parameter", param)
        elif most is not None and count > most:
            message = assert_error(response, 400, "invalid_value", next(iter(body)))
            assert f"at most {most}" in message
        else:
            assert response.status_code == 200, response.text
    assert answer(backend_service, COMPLETIONS, "Hello", max_tokens=2)["usage"]["completion_tokens"]


def declared(backend: str, name: str) -> int | None:
    """The smaller one where two limits count the same."""
    _, engine = load(backend)
    settings = Settings(engine_args=SETTINGS.get(backend, {}).get("engine_args", {}))
    limits = engine(settings, open_model(settings, DEMO_MODEL)).limits()
    names = ("ends", name) if name.startswith("ends") else (name,)
    values = [value for each in names if (value := getattr(limits, each)) is not None]
    return min(values, default=None)
