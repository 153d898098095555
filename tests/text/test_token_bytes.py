"""Log-probabilities tell the bytes of each token, so that parts of characters can be joined."""

import pytest
from tokenizers import Tokenizer as FastTokenizer
from tokenizers import decoders, models

from common.http.logprobs import TextOffsets
from common.models.model import DEMO_MODEL
from common.text.token_bytes import byte_alphabet, token_bytes
from common.text.tokenizer import Tokenizer

TOKENIZER = Tokenizer(DEMO_MODEL)
TEXT = "x😀 yes, é 猫!"


def test_every_byte_has_one_character() -> None:
    assert sorted(byte_alphabet().values()) == list(range(256))


def test_the_bytes_of_all_tokens_are_the_text() -> None:
    ids = TOKENIZER.fast.encode(TEXT, add_special_tokens=False).ids
    assert b"".join(token_bytes(TOKENIZER.fast, i) for i in ids).decode() == TEXT


@pytest.mark.parametrize(
    ("piece", "expected"), [("<0x0A>", b"\n"), ("\u2581the", b" the"), ("né", "né".encode())]
)
def test_sentencepiece_tokens_keep_their_space_and_bytes(piece: str, expected: bytes) -> None:
    tokenizer = FastTokenizer(models.BPE({piece: 0}, []))
    tokenizer.decoder = decoders.ByteFallback()
    assert token_bytes(tokenizer, 0) == expected


def test_an_unknown_id_has_no_bytes() -> None:
    assert token_bytes(TOKENIZER.fast, 10**6) == b""


def test_parts_of_a_character_share_its_place_in_the_text() -> None:
    ids = TOKENIZER.fast.encode("x😀 yes", add_special_tokens=False).ids
    offsets = TextOffsets(TOKENIZER, 10)
    starts = [offsets.next(i) for i in ids]
    assert starts[0] == 10
    assert set(starts[1:-2]) == {11}
    assert starts[-2] == 12
