"""The text of an answer continues that of its prompt, as if all tokens were decoded at once."""

import random
from collections.abc import Sequence
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.text.detokenizer import Detokenizer
from common.text.token_texts import TokenTexts
from common.text.tokenizer import Tokenizer
from tests.text.tokenizer_kinds import TOKENIZERS, id_of

DEMO = TOKENIZERS["byte level"]
LLAMA = TOKENIZERS["Llama 2"]
KINDS = [pytest.param(tokenizer, id=name) for name, tokenizer in TOKENIZERS.items()]
EMOJI = "\U0001f389"
FAMILY = "\U0001f469\u200d\U0001f469\u200d\U0001f467"
ODD = [
    " friend", "friend", " ", "  ", "\n", EMOJI, FAMILY, "e\u0301", "\xe9", "\u200f", "\u732b",
    "\u0645\u0631\u062d\u0628\u0627 ", "\u0939\u093f", "\ufffd", "<|im_end|>", "</s>", "<0x0A>",
    "\u2581", "##s", "n't", ".", "</w>", "<|left|>", "<tool>", "Caf\xe9 \U0001f389", "whole",
    " two words ",
]  # fmt: skip
TEXT = st.lists(st.one_of(st.sampled_from(ODD), st.text(max_size=3)), max_size=12).map("".join)
POSITIONS = st.lists(st.integers(0, 2**16), max_size=40)


def ids_of(tokenizer: Tokenizer, positions: Sequence[int]) -> list[int]:
    """Returns any ids, and some that no token has, as padded vocabularies have them."""
    return [position % (tokenizer.vocab_size + 2) for position in positions]


def encoded(tokenizer: Tokenizer, text: str) -> list[int]:
    ids: list[int] = tokenizer.fast.encode(text, add_special_tokens=False).ids
    return ids


def pieces(
    tokenizer: Tokenizer,
    ids: Sequence[int],
    prompt: Sequence[int] = (),
    *,
    size: int = 1,
    skip: bool = True,
) -> list[str]:
    detokenizer = Detokenizer(tokenizer, prompt, skip_special_tokens=skip)
    groups = [ids[start : start + size] for start in range(0, len(ids), size)]
    return [*map(detokenizer.feed, groups), detokenizer.finish()]


@pytest.mark.parametrize("tokenizer", KINDS)
@given(POSITIONS, st.integers(0, 40), st.integers(1, 5), st.booleans())
@settings(derandomize=True, deadline=None)
def test_prompt_and_answer_are_the_text_of_all_their_tokens(
    tokenizer: Tokenizer, positions: list[int], cut: int, size: int, skip: bool
) -> None:
    ids = ids_of(tokenizer, positions)
    prompt = tokenizer.decode(ids[:cut], skip_special_tokens=skip)
    whole = tokenizer.decode(ids, skip_special_tokens=skip)
    answer = "".join(pieces(tokenizer, ids[cut:], ids[:cut], size=size, skip=skip))
    answer.encode()
    if "\ufffd" not in prompt + whole:
        assert prompt + answer == whole


@pytest.mark.parametrize("tokenizer", KINDS)
@given(TEXT, TEXT, st.integers(1, 5))
@settings(derandomize=True, deadline=None)
def test_any_text_is_continued_by_any_text(
    tokenizer: Tokenizer, before: str, after: str, size: int
) -> None:
    prompt, ids = encoded(tokenizer, before), encoded(tokenizer, after)
    whole = tokenizer.decode([*prompt, *ids], skip_special_tokens=True)
    answer = "".join(pieces(tokenizer, ids, prompt, size=size))
    assert tokenizer.decode(prompt, skip_special_tokens=True) + answer == whole


@pytest.mark.parametrize("tokenizer", KINDS)
@given(POSITIONS, st.integers(0, 40), st.integers(2, 7))
@settings(derandomize=True, deadline=None)
def test_the_cuts_do_not_matter_even_for_what_is_no_text(
    tokenizer: Tokenizer, positions: list[int], cut: int, size: int
) -> None:
    ids = ids_of(tokenizer, positions)
    one_by_one = pieces(tokenizer, ids[cut:], ids[:cut])
    assert "".join(pieces(tokenizer, ids[cut:], ids[:cut], size=size)) == "".join(one_by_one)


@given(POSITIONS)
@settings(derandomize=True, deadline=None, max_examples=500)
def test_bytes_that_are_no_text_are_shown_as_at_once(positions: list[int]) -> None:
    ids = ids_of(DEMO, positions)
    assert "".join(pieces(DEMO, ids)) == DEMO.decode(ids, skip_special_tokens=True)


@pytest.mark.parametrize("tokenizer", KINDS)
def test_bytes_that_are_no_text_hide_nothing_that_follows(tokenizer: Tokenizer) -> None:
    source = random.Random(5)
    good = encoded(tokenizer, "hey friend!")
    for _ in range(100):
        garbage = [source.randrange(tokenizer.vocab_size) for _ in range(30)]
        text = "".join(pieces(tokenizer, [*garbage, *good]))
        assert text.endswith(tokenizer.decode(good, skip_special_tokens=True))


@pytest.mark.parametrize("tokenizer", [DEMO, LLAMA])
def test_each_byte_without_a_character_has_one_replacement_in_byte_fallback(
    tokenizer: Tokenizer,
) -> None:
    cut = encoded(tokenizer, f"hey{EMOJI}")[:-1]
    replaced = pieces(tokenizer, cut)[-1]
    assert "".join(pieces(tokenizer, cut)) == tokenizer.decode(cut)
    assert replaced == "\ufffd" * (3 if tokenizer is LLAMA else 1)


@pytest.mark.parametrize("tokenizer", KINDS)
@pytest.mark.parametrize("text", ["\u732b", EMOJI, FAMILY, "e\u0301"])
def test_a_code_point_is_never_split(tokenizer: Tokenizer, text: str) -> None:
    ids = encoded(tokenizer, text)
    shown = [piece for piece in pieces(tokenizer, ids) if piece]
    assert "".join(shown) == tokenizer.decode(ids, skip_special_tokens=True)
    assert tokenizer is not DEMO or shown == list(text)


@pytest.mark.parametrize("before", ["", "hey", EMOJI, EMOJI * 2, f"hey{EMOJI}", FAMILY, "\n", "  "])
def test_a_space_after_any_prompt_is_kept(before: str) -> None:
    friend = id_of(LLAMA, "\u2581friend")
    prompt = encoded(LLAMA, before)
    assert "".join(pieces(LLAMA, [friend], prompt)) == (" friend" if before else "friend")


def test_special_tokens_at_the_end_of_a_prompt_do_not_hide_what_is_before_them() -> None:
    friend, end = id_of(LLAMA, "\u2581friend"), id_of(LLAMA, "</s>")
    prompt = [*encoded(LLAMA, "hey"), *[end] * 10]
    assert "".join(pieces(LLAMA, [friend], prompt)) == " friend"
    assert "".join(pieces(LLAMA, [friend], [end] * 10)) == "friend"


@pytest.mark.parametrize("tokenizer", [DEMO, LLAMA])
def test_a_code_point_that_the_prompt_begins_comes_whole(tokenizer: Tokenizer) -> None:
    ids = encoded(tokenizer, f"hey{EMOJI}!")
    for cut in range(ids.index(encoded(tokenizer, f"hey{EMOJI}")[-1]) - 1, len(ids) - 1):
        assert "".join(pieces(tokenizer, ids[cut:], ids[:cut])) == f"{EMOJI}!"


@pytest.mark.parametrize("tokenizer", [DEMO, LLAMA])
def test_a_code_point_that_the_prompt_leaves_incomplete_is_not_the_answers(
    tokenizer: Tokenizer,
) -> None:
    prompt = encoded(tokenizer, f"hey{EMOJI}")[:-1]
    answer = encoded(tokenizer, "!")[-1:]
    assert "".join(pieces(tokenizer, answer, prompt)) == "!"
    assert "".join(pieces(tokenizer, [], prompt)) == ""


@pytest.mark.parametrize("name", ["byte level and added tokens", "Llama 2 and added tokens"])
def test_special_tokens_are_hidden_or_shown(name: str) -> None:
    tokenizer = TOKENIZERS[name]
    extra = id_of(tokenizer, "<|extra|>")
    tool = id_of(tokenizer, "<tool>")
    ids = [*encoded(tokenizer, "hey"), extra, tool, *encoded(tokenizer, "!")[-1:]]
    assert "".join(pieces(tokenizer, ids)) == "hey<tool>!"
    assert "".join(pieces(tokenizer, ids, skip=False)) == "hey<|extra|><tool>!"


@pytest.mark.parametrize("tokenizer", KINDS)
def test_no_run_of_tokens_makes_a_token_dearer(tokenizer: Tokenizer) -> None:
    """The library is never asked for more than two tokens, whatever came before."""
    with patch.object(TokenTexts, "decode", autospec=True, side_effect=TokenTexts.decode) as decode:
        for token_id in (0, *tokenizer.texts[True].special, *encoded(tokenizer, EMOJI)):
            pieces(tokenizer, [token_id] * 100)
    assert max((len(call.args) - 1 for call in decode.call_args_list), default=0) <= 2
