"""Log-probabilities tell the bytes of each token, so that parts of characters can be joined."""

import pytest

from common.http.logprobs import TextOffsets
from common.text.detokenizer import Detokenizer
from common.text.token_texts import byte_alphabet
from common.text.tokenizer import Tokenizer
from tests.text.tokenizer_kinds import TOKENIZERS, id_of

DEMO = TOKENIZERS["byte level"]
TEXT = "x😀 yes, \xe9 \u732b!"


def test_every_byte_has_one_character() -> None:
    assert sorted(byte_alphabet().values()) == list(range(256))


@pytest.mark.parametrize("name", ["byte level", "Llama 2", "Metaspace always", "Gemma"])
def test_the_bytes_of_all_tokens_are_the_text(name: str) -> None:
    tokenizer = TOKENIZERS[name]
    ids = tokenizer.fast.encode(TEXT, add_special_tokens=False).ids
    joined = b"".join(bytes(tokenizer.token_bytes(i)[1]) for i in ids).decode()
    assert joined.removeprefix(" ") == tokenizer.decode(ids) == TEXT


@pytest.mark.parametrize(
    ("name", "piece", "expected"),
    [
        ("Llama 2", "<0x0A>", b"\n"),
        ("Llama 2", "<0xF0>", b"\xf0"),
        ("Llama 2", "\u2581friend", b" friend"),
        ("Llama 2", "</s>", b"</s>"),
        ("Llama 2 and added tokens", "<0xZZ>", b"<0xZZ>"),
        ("Llama 2 and added tokens", "\ufffd", "\ufffd".encode()),
        ("byte level and added tokens", "\ufffd", "\ufffd".encode()),
        ("word piece", "##ly", b"ly"),
        ("word piece", "hey", b" hey"),
        ("unigram", "\u2581\u0645\u0631", " \u0645\u0631".encode()),
    ],
)
def test_a_token_has_the_bytes_that_it_adds_to_a_text(
    name: str, piece: str, expected: bytes
) -> None:
    tokenizer = TOKENIZERS[name]
    assert bytes(tokenizer.token_bytes(id_of(tokenizer, piece))[1]) == expected


def test_an_unknown_id_has_no_bytes() -> None:
    assert DEMO.token_bytes(10**6) == ("", [])


def offsets(tokenizer: Tokenizer, ids: list[int], prompt: list[int]) -> list[int]:
    counted = TextOffsets(Detokenizer(tokenizer, prompt), 10)
    return [counted.next(i) for i in ids]


def test_parts_of_a_character_share_its_place_in_the_text() -> None:
    ids = DEMO.fast.encode("x😀 yes", add_special_tokens=False).ids
    starts = offsets(DEMO, ids, [])
    assert starts[0] == 10
    assert set(starts[1:-2]) == {11}
    assert starts[-2] == 12


def test_the_space_that_a_prompt_keeps_is_counted() -> None:
    llama = TOKENIZERS["Llama 2"]
    friend = id_of(llama, "\u2581friend")
    assert offsets(llama, [friend] * 2, []) == [10, 16]
    assert offsets(llama, [friend] * 2, [friend]) == [10, 17]
