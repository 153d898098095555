"""The setting `speculative`: one form for all engines, parsed once."""

import re

import pytest

from common.errors import StartError
from common.settings import load_settings
from common.speculative import PATTERN, Speculative


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ngram:4", Speculative("ngram", 4)),
        ("mtp:1", Speculative("mtp", 1)),
        ("draft:org/small:16", Speculative("draft", 16, "org/small")),
        ("eagle3:/models/head:2", Speculative("eagle3", 2, "/models/head")),
        ("eagle:head:a1:3", Speculative("eagle", 3, "head:a1")),
    ],
)
def test_a_text_says_method_model_and_tokens(text: str, expected: Speculative) -> None:
    settings = load_settings({"speculative": text}, {})
    assert settings.speculative == expected
    assert str(expected) == text
    assert re.fullmatch(PATTERN, text)
    assert "speculative" in settings.changed


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("ngram", "ngram:TOKENS"),
        ("medusa:2", "mtp:TOKENS"),
        ("draft:4", "draft:MODEL:TOKENS"),
        ("mtp:org/model:1", "mtp:TOKENS"),
        ("ngram:0", "from 1 to 16"),
        ("ngram:17", "from 1 to 16"),
        ("ngram:many", "from 1 to 16"),
    ],
)
def test_anything_else_is_refused_with_what_is_allowed(text: str, allowed: str) -> None:
    with pytest.raises(StartError) as refused:
        load_settings({}, {"SPECULATIVE": text})
    message = str(refused.value)
    assert message.startswith("setting 'speculative': ")
    assert allowed in message
    assert not re.fullmatch(PATTERN, text)


def test_the_gpus_are_the_product_of_the_sizes() -> None:
    sizes = {"tensor_parallel_size": 4, "pipeline_parallel_size": 2, "data_parallel_size": 3}
    assert load_settings(sizes, {}).gpus == 24
