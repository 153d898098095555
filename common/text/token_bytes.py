"""The bytes of a single token, also where they are only a part of a character."""

from functools import cache

from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel
from tokenizers.pre_tokenizers import ByteLevel as ByteLevelPreTokenizer

BYTE_FALLBACK = 6
"""Length of `<0x0A>`, how SentencePiece models write a byte without a character."""
SPACE = "\u2581"
"""How they write a space."""


def token_bytes(tokenizer: Tokenizer, token_id: int) -> bytes:
    """Returns the UTF-8 bytes that the token stands for; special tokens by their name."""
    piece: str | None = tokenizer.id_to_token(token_id)
    if piece is None:
        return b""
    if len(piece) == BYTE_FALLBACK and piece.startswith("<0x") and piece.endswith(">"):
        return bytes([int(piece[3:5], 16)])
    alphabet = byte_alphabet()
    if is_byte_level(tokenizer) and all(character in alphabet for character in piece):
        return bytes(alphabet[character] for character in piece)
    return piece.replace(SPACE, " ").encode("utf-8", "replace")


def is_byte_level(tokenizer: Tokenizer) -> bool:
    return isinstance(tokenizer.decoder, ByteLevel)


@cache
def byte_alphabet() -> dict[str, int]:
    """Returns which character stands for which byte in byte-level BPE, asked of the library itself.

    Bytes that can stand for themselves do (printable Latin-1); the others follow from 256 on, in
    their order.
    """
    characters = sorted(ByteLevelPreTokenizer.alphabet())
    themselves = {character: ord(character) for character in characters if ord(character) < 256}
    others = [byte for byte in range(256) if byte not in themselves.values()]
    shifted = [character for character in characters if ord(character) >= 256]
    return themselves | dict(zip(shifted, others, strict=True))
