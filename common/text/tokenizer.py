"""Text to token ids and back, the same for every engine, on the `tokenizers` library."""

import asyncio
import ctypes
from collections import deque
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from tokenizers import Tokenizer as FastTokenizer

from common.errors import InvalidValue, StartError
from common.files import check_fetched, read_json
from common.models.config import TOKENIZER_CONFIG
from common.text.token_texts import TokenTexts

T = TypeVar("T")
SPECIAL_TOKENS = (
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token",
)  # fmt: skip
"""Names that transformers gives templates the tokens by (SPECIAL_TOKENS_ATTRIBUTES)."""
SPECIAL_TOKENS_MAP = "special_tokens_map.json"
"""Where older versions of transformers wrote them."""
LONG_TEXT = 20_000
"""Characters above which encoding takes over 10 ms and leaves the event loop (measured)."""
MOST_TEXT = 1_000_000
"""Characters of long texts that are encoded at once; each takes 200 bytes of memory (measured)."""


class LongTexts:
    """Work on long texts in threads: first come, first served, so many characters at once. A text
    of more goes alone."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._running = 0
        self._queue: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def run(self, size: int, work: Callable[[], T]) -> T:
        """Returns the result of `work` on that many characters."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((size, turn))
        self._start_next()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._queue.remove((size, turn))
                self._start_next()
            else:
                self._end(size)
            raise
        task = asyncio.ensure_future(asyncio.to_thread(work))
        # Who asks may leave; the thread goes on, and holds its memory.
        task.add_done_callback(lambda _: self._end(size))
        return await asyncio.shield(task)

    def _start_next(self) -> None:
        while self._queue:
            size, turn = self._queue[0]
            if self._running and self._running + size > self._most:
                return
            self._queue.popleft()
            self._running += size
            turn.set_result(None)

    def _end(self, size: int) -> None:
        self._running -= size
        self._start_next()


class Tokenizer:
    """A model's fast tokenizer with its special tokens by name."""

    def __init__(self, directory: Path) -> None:
        check_fetched(directory / "tokenizer.json")
        try:
            self.fast = FastTokenizer.from_file(str(directory / "tokenizer.json"))
        except Exception as error:
            raise StartError(f"{directory / 'tokenizer.json'} cannot be read: {error}") from None
        self._long_texts = LongTexts(MOST_TEXT)
        self.fast.no_padding()
        self.fast.no_truncation()
        self.texts = {
            skip: TokenTexts(self.fast, skip_special_tokens=skip) for skip in (False, True)
        }
        """The texts of single tokens, by whether special tokens are left out."""
        ids = self.fast.get_vocab(with_added_tokens=True).values()
        # Not their number: some vocabularies have gaps.
        self.vocab_size = max(ids, default=-1) + 1
        self.config = _optional_json(directory / TOKENIZER_CONFIG)
        named = {**_optional_json(directory / SPECIAL_TOKENS_MAP), **self.config}
        self.special_tokens = {
            name: text for name in SPECIAL_TOKENS if (text := _token_text(named.get(name)))
        }
        added = self.fast.get_added_tokens_decoder()
        self.added_tokens = {token.content: token_id for token_id, token in added.items()}
        self.special_ids = {t.content: token_id for token_id, t in added.items() if t.special}

    @property
    def template_variables(self) -> dict[str, str | list[str]]:
        """The special tokens that a chat template may name, those without a name as a list.

        transformers 5 writes `extra_special_tokens`: such a list, or a mapping with names.
        """
        extra = self.config.get("extra_special_tokens")
        named = extra if isinstance(extra, dict) else {}
        more = self.config.get("additional_special_tokens", extra)
        texts = map(_token_text, more if isinstance(more, list) else ())
        return {
            **{str(name): text for name, token in named.items() if (text := _token_text(token))},
            **self.special_tokens,
            "additional_special_tokens": list(filter(None, texts)),
        }

    @property
    def end_token_ids(self) -> frozenset[int]:
        """The id of the end token, none where the tokenizer's config names no such token."""
        end = self.special_tokens.get("eos_token")
        token_id = None if end is None else self.fast.token_to_id(end)
        return frozenset() if token_id is None else frozenset([token_id])

    @cached_property
    def ending(self) -> list[int]:
        """The special tokens that the tokenizer adds behind a text."""
        plain = self.fast.encode("a", add_special_tokens=False).ids
        whole = self.fast.encode("a", add_special_tokens=True).ids
        starts = (n for n in range(len(whole)) if whole[n : n + len(plain)] == plain)
        return whole[next(starts) + len(plain) :]

    async def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """Returns the ids of `text`; special tokens written in it are recognised."""
        return (await self.encode_all([text], add_special_tokens=add_special_tokens))[0]

    async def encode_all(
        self, texts: Sequence[str], *, add_special_tokens: bool
    ) -> list[list[int]]:
        """Returns the ids of each text; long ones in a thread, for the call releases the GIL."""

        def encode_batch() -> list[list[int]]:
            batch = self.fast.encode_batch_fast(texts, add_special_tokens=add_special_tokens)
            return [encoding.ids for encoding in batch]

        def encode_long() -> list[list[int]]:
            ids = encode_batch()
            _give_memory_back()
            return ids

        size = sum(map(len, texts))
        if size <= LONG_TEXT:
            return encode_batch()

        return await self._long_texts.run(size, encode_long)

    def spellings(self, word: str) -> set[tuple[int, ...]]:
        """Returns the ids of a short word as a text begins with it, and behind a space."""
        encode = self.fast.encode
        texts = (word, f" {word.lstrip()}")
        return {tuple(encode(text, add_special_tokens=False).ids) for text in texts} - {()}

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
        text = self.texts[False][token_id] or b""
        data = text.encode() if isinstance(text, str) else text
        return data.decode("utf-8", "replace"), list(data)


def _give_memory_back() -> None:
    """The allocator of glibc keeps what a huge text took; others have no such call."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _optional_json(file: Path) -> dict[str, object]:
    return read_json(file) if file.exists() else {}


def _token_text(token: object) -> str | None:
    """A special token is written as a string or as an AddedToken object."""
    if isinstance(token, dict):
        token = token.get("content")
    return token if isinstance(token, str) else None
