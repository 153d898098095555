"""What a single token adds to a text, whatever the tokenizer's decoder does with its pieces."""

import codecs
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from tokenizers import Tokenizer as FastTokenizer
from tokenizers.pre_tokenizers import ByteLevel

BYTE = re.compile("<0x([0-9A-Fa-f]{2})>")
"""How a vocabulary with byte fallback writes a byte that is no character by itself."""
REPLACEMENT = "\ufffd"
EACH_BYTE = "replace-each-byte"
"""Handler of decoding errors that puts one U+FFFD for each byte, as byte fallback does."""

Step = Mapping[str, Any]
TokenText = str | bytes | None
"""Text; bytes where the token holds a part of a character; None where decoding ignores it."""


class TokenTexts(dict[int, TokenText]):
    """The texts of tokens that stand behind another one, each computed when it is first asked for.

    `independent` is False for a decoder that looks at the neighbours of a token; TextsInOrder
    serves it.
    """

    def __init__(self, tokenizer: FastTokenizer, *, skip_special_tokens: bool) -> None:
        super().__init__()
        self._tokenizer = tokenizer
        self._skip = skip_special_tokens
        decoder = _decoder_steps(tokenizer)
        kinds = {step["type"] for step in decoder}
        self._byte_level = "ByteLevel" in kinds
        self._byte_fallback = "ByteFallback" in kinds
        self.independent = _independent(decoder)
        self.special = {
            token_id: token.content
            for token_id, token in tokenizer.get_added_tokens_decoder().items()
            if token.special
        }

    @property
    def errors(self) -> str:
        """Returns the error handler of `codecs` that replaces bad bytes as the decoder does."""
        return EACH_BYTE if self._byte_fallback else "replace"

    def __missing__(self, token_id: int) -> TokenText:
        # Twice the same token: what the second adds stands behind another one.
        text = self.decode(token_id, token_id)[len(self.decode(token_id)) :]
        self[token_id] = value = self._checked(token_id, text)
        return value

    def first(self, token_id: int) -> TokenText:
        """Returns the text of the token where it is the first that is shown."""
        return self._checked(token_id, self.decode(token_id))

    def decode(self, *ids: int) -> str:
        """Returns the text of these tokens alone, as the library decodes them."""
        text: str = self._tokenizer.decode(ids, skip_special_tokens=self._skip)
        return text

    def _checked(self, token_id: int, text: str) -> TokenText:
        piece = self._tokenizer.id_to_token(token_id)
        if piece is None or (self._skip and token_id in self.special):
            return None
        if REPLACEMENT not in text:
            return text
        if self._byte_fallback and (byte := BYTE.fullmatch(piece)):
            return bytes.fromhex(byte[1])
        alphabet = byte_alphabet()
        if self._byte_level and all(character in alphabet for character in piece):
            data = bytes(alphabet[character] for character in piece)
            try:
                return data.decode()
            except UnicodeDecodeError:
                return data
        return text


class TextsInOrder:
    """The texts of tokens one after the other, for a decoder that looks at a token's neighbours."""

    def __init__(self, texts: TokenTexts, previous: int | None) -> None:
        self._texts = texts
        self._previous = previous

    def __getitem__(self, token_id: int) -> TokenText:
        if self._texts[token_id] is None:
            return None
        previous, self._previous = self._previous, token_id
        decode = self._texts.decode
        if previous is None:
            return decode(token_id)
        return decode(previous, token_id)[len(decode(previous)) :]


def steps(part: Step | None) -> list[Step]:
    """Returns the parts of a sequence, also of sequences in it; else the part itself.

    `part` is a normalizer, pre-tokenizer, post-processor or decoder as tokenizer.json has it.
    """
    if part is None:
        return []
    if part["type"] != "Sequence":
        return [part]
    inner = next(value for value in part.values() if isinstance(value, list))
    return [step for child in inner for step in steps(child)]


def _decoder_steps(tokenizer: FastTokenizer) -> list[Step]:
    decoder = tokenizer.decoder
    return [] if decoder is None else steps(json.loads(decoder.__getstate__()))


def _independent(decoder: Sequence[Step]) -> bool:
    """Returns whether a token adds the same text behind all others, but for parts of characters."""
    fused = False
    for step in decoder:
        match step:
            case {"type": "Fuse"}:
                fused = True
            case {"type": "ByteLevel" | "ByteFallback" | "Metaspace" | "WordPiece"} if not fused:
                fused = step["type"] == "ByteLevel"
            case {"type": "Replace", "pattern": {"String": old}} if not fused or len(old) == 1:
                pass
            case {"type": "Replace"} if not fused:
                pass
            case {"type": "Strip", "start": 0 | 1, "stop": 0}:
                pass
            case _:
                return False
    return True


@cache
def byte_alphabet() -> dict[str, int]:
    """Returns which character stands for which byte in byte-level BPE, asked of the library itself.

    Bytes that can stand for themselves do (printable Latin-1); the others follow from 256 on, in
    their order.
    """
    characters = sorted(ByteLevel.alphabet())
    themselves = {character: ord(character) for character in characters if ord(character) < 256}
    others = [byte for byte in range(256) if byte not in themselves.values()]
    shifted = [character for character in characters if ord(character) >= 256]
    return themselves | dict(zip(shifted, others, strict=True))


def _replace_each_byte(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return REPLACEMENT * (error.end - error.start), error.end


codecs.register_error(EACH_BYTE, _replace_each_byte)
