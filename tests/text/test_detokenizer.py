"""Incremental decoding gives what decoding at once gives, in whole code points."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.models.model import DEMO_MODEL
from common.text.detokenizer import Detokenizer
from common.text.tokenizer import Tokenizer

TOKENIZER = Tokenizer(DEMO_MODEL)
TEXTS = ["Hello, how are you?", "Zoë 猫 🎉👩‍👩‍👧 हिन्दी", " leading", "\n\n two  spaces ", "e\u0301"]


def piecewise(ids: list[int], prompt: list[int] | None = None) -> list[str]:
    detokenizer = Detokenizer(TOKENIZER, prompt or [])
    return [*(detokenizer.feed([token_id]) for token_id in ids), detokenizer.finish()]


@pytest.mark.parametrize("text", TEXTS)
def test_pieces_join_to_the_text(text: str) -> None:
    ids = TOKENIZER.fast.encode(text, add_special_tokens=False).ids
    pieces = piecewise(ids)
    assert "".join(pieces) == text
    assert "\ufffd" not in "".join(pieces)


@pytest.mark.parametrize("text", ["猫", "🎉", "👩‍👩‍👧"])
def test_a_code_point_of_several_tokens_comes_as_one_piece(text: str) -> None:
    ids = TOKENIZER.fast.encode(text, add_special_tokens=False).ids
    assert len(ids) > 1
    assert [piece for piece in piecewise(ids) if piece] == list(text)


@given(st.text(st.characters(codec="utf-8"), max_size=40), st.integers(1, 5))
@settings(derandomize=True, deadline=None)
def test_any_text_survives_in_groups_of_any_size(text: str, size: int) -> None:
    ids = TOKENIZER.fast.encode(text, add_special_tokens=False).ids
    whole = TOKENIZER.decode(ids, skip_special_tokens=True)
    detokenizer = Detokenizer(TOKENIZER)
    groups = [ids[i : i + size] for i in range(0, len(ids), size)]
    assert "".join(map(detokenizer.feed, groups)) + detokenizer.finish() == whole


def test_a_cut_code_point_ends_in_replacement_characters() -> None:
    ids = TOKENIZER.fast.encode("a🎉", add_special_tokens=False).ids[:-1]
    pieces = piecewise(ids)
    assert "".join(pieces[:-1]) == "a"
    assert set(pieces[-1]) == {"\ufffd"}


def test_bytes_that_are_not_utf8_never_fail_and_hide_nothing_that_follows() -> None:
    source = random.Random(5)
    good = TOKENIZER.fast.encode("fine", add_special_tokens=False).ids
    for _ in range(200):
        garbage = [source.randrange(4, TOKENIZER.vocab_size) for _ in range(30)]
        text = "".join(piecewise(garbage + good))
        text.encode()
        assert text.endswith("fine")


def test_random_ids_decode_as_at_once_where_they_are_valid_text() -> None:
    source = random.Random(6)
    compared = 0
    for _ in range(500):
        ids = [source.randrange(4, TOKENIZER.vocab_size) for _ in range(6)]
        whole = TOKENIZER.decode(ids, skip_special_tokens=True)
        if "\ufffd" not in whole:
            compared += 1
            assert "".join(piecewise(ids)) == whole
    assert compared > 20


def test_special_tokens_are_hidden() -> None:
    ids = TOKENIZER.fast.encode("<|im_start|>a<|im_end|>b", add_special_tokens=False).ids
    assert "".join(piecewise(ids)) == "ab"


def test_the_prompt_decides_how_the_first_token_is_joined() -> None:
    prompt = TOKENIZER.fast.encode("Hello", add_special_tokens=False).ids
    ids = TOKENIZER.fast.encode(" world", add_special_tokens=False).ids
    assert "".join(piecewise(ids, prompt)) == " world"


def test_a_code_point_that_begins_in_the_prompt_is_not_shown_in_part() -> None:
    ids = TOKENIZER.fast.encode("🎉", add_special_tokens=False).ids
    text = "".join(
        piecewise([*ids[1:], *TOKENIZER.fast.encode("!", add_special_tokens=False).ids], ids[:1])
    )
    assert text.endswith("!")
    text.encode()
