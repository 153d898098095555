"""Text to token ids and back, the same for every engine, on the `tokenizers` library."""

import asyncio
import ctypes
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tokenizers import Tokenizer as FastTokenizer

from common.errors import InvalidValue, StartError
from common.files import read_json
from common.text.token_bytes import token_bytes

LONG_TEXT = 20_000
"""Characters above which encoding takes over 10 ms and leaves the event loop (measured)."""
HUGE_TEXT = 1_000_000
"""Characters above which texts wait for each other: each takes 200 bytes of memory (measured)."""


class Tokenizer:
    """A model's fast tokenizer with its special tokens by name."""

    def __init__(self, directory: Path) -> None:
        try:
            self.fast = FastTokenizer.from_file(str(directory / "tokenizer.json"))
        except Exception as error:
            raise StartError(f"{directory / 'tokenizer.json'} cannot be read: {error}") from None
        self._one_at_a_time = ThreadPoolExecutor(1, "huge-text")
        self.fast.no_padding()
        self.fast.no_truncation()
        ids = self.fast.get_vocab(with_added_tokens=True).values()
        # Not their number: some vocabularies have gaps.
        self.vocab_size = max(ids, default=-1) + 1
        self.config = _tokenizer_config(directory)
        self.special_tokens = {
            name: text
            for name in ("bos_token", "eos_token", "pad_token", "unk_token")
            if (text := _token_text(self.config.get(name)))
        }

    async def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """Returns the ids of `text`; special tokens written in it are recognised."""
        return (await self.encode_all([text], add_special_tokens=add_special_tokens))[0]

    async def encode_all(
        self, texts: Sequence[str], *, add_special_tokens: bool
    ) -> list[list[int]]:
        """Returns the ids of each text; long ones by the call that releases the GIL, in a
        thread."""
        size = sum(map(len, texts))
        if size <= LONG_TEXT:
            encode = self.fast.encode
            return [encode(text, add_special_tokens=add_special_tokens).ids for text in texts]

        def encode_long() -> list[list[int]]:
            batch = self.fast.encode_batch_fast(texts, add_special_tokens=add_special_tokens)
            return [encoding.ids for encoding in batch]

        def encode_huge() -> list[list[int]]:
            ids = encode_long()
            _give_memory_back()
            return ids

        if size <= HUGE_TEXT:
            return await asyncio.to_thread(encode_long)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._one_at_a_time, encode_huge)

    async def decode_long(self, ids: Sequence[int], *, skip_special_tokens: bool) -> str:
        """Returns the same as `decode` without holding up others when there are many ids."""
        if len(ids) <= LONG_TEXT:
            return self.decode(ids, skip_special_tokens=skip_special_tokens)
        decoded = await asyncio.to_thread(
            self.fast.decode_batch, [list(ids)], skip_special_tokens=skip_special_tokens
        )
        return decoded[0]

    def decode(self, ids: Sequence[int], *, skip_special_tokens: bool = False) -> str:
        """Returns the text of `ids`, which have been checked."""
        return self.fast.decode(list(ids), skip_special_tokens=skip_special_tokens)

    def check(self, ids: Sequence[int], param: str) -> None:
        """Raises InvalidValue naming the largest id when it is past the tokenizer's last."""
        largest = max(ids, default=0)
        if largest >= self.vocab_size:
            raise InvalidValue(
                f"token id {largest} is not in the vocabulary; "
                f"allowed are 0 to {self.vocab_size - 1}",
                param=param,
            )

    def token_bytes(self, token_id: int) -> tuple[str, list[int]]:
        """Returns the text and UTF-8 bytes of one token; a part of a character has U+FFFD as its
        text."""
        data = token_bytes(self.fast, token_id)
        return data.decode("utf-8", "replace"), list(data)


def _give_memory_back() -> None:
    """The allocator of glibc keeps what a huge text took; others have no such call."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _tokenizer_config(directory: Path) -> dict[str, object]:
    file = directory / "tokenizer_config.json"
    if not file.exists():
        return {}
    return read_json(file)


def _token_text(token: object) -> str | None:
    """A special token is written as a string or as an AddedToken object."""
    if isinstance(token, dict):
        token = token.get("content")
    return token if isinstance(token, str) else None
