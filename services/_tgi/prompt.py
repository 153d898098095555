"""Prompts for TGI: text, to which it adds special tokens of its own."""

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from itertools import chain, zip_longest
from typing import NamedTuple

from common.errors import InvalidValue
from common.text.tokenizer import LONG_TEXT, Tokenizer

IMAGE = re.compile(r"!\[\]\([^)]*\)")
"""TGI fetches these from the network when the model takes images (router/src/validation.rs)."""
NOT_EXPRESSIBLE = (
    "TGI takes a prompt as text and makes the token ids itself; these are not what it would make "
    "of any text, so send the text, or ids as /tokenize gives them"
)


class Prompt(NamedTuple):
    """A text for TGI; `truncate` keeps that many of its tokens, counted from the end."""

    text: str
    truncate: int | None = None

    def followed_by(self, answer: str) -> "Prompt":
        return Prompt(answer if self.truncate is not None else self.text + answer)


class Prompts:
    """The texts for prompts in ids; `images` means that the model takes images."""

    def __init__(self, tokenizer: Tokenizer, *, images: bool) -> None:
        self._tokenizer = tokenizer
        self._images = images
        self._added = tokenizer.fast.encode("", add_special_tokens=True).ids
        self._special = {
            token_id: token.content
            for token_id, token in tokenizer.fast.get_added_tokens_decoder().items()
        }

    async def of(self, ids: Sequence[int]) -> Prompt:
        """Returns what TGI turns into exactly `ids`. Raises InvalidValue when nothing is."""
        ids = list(ids)
        if ids == self._added:
            # TGI refuses an empty text; of this one and the tokens that it adds the last are left.
            return Prompt(self.text(ids), len(ids))
        async with aclosing(self._candidates(ids)) as candidates:
            async for text in candidates:
                if text and ids == await self._tokenizer.encode(text, add_special_tokens=True):
                    self.check(text)
                    return Prompt(text)
        raise InvalidValue(NOT_EXPRESSIBLE, param="prompt")

    def text(self, ids: Sequence[int]) -> str:
        return self._tokenizer.decode(ids)

    def check(self, text: str) -> None:
        """Raises InvalidValue for text that would make TGI open an address."""
        if self._images and IMAGE.search(text):
            raise InvalidValue("TGI would take ![](...) for an image; images are not supported")

    async def count(self, text: str) -> int:
        """Returns how many tokens `text` is to TGI."""
        return len(await self._tokenizer.encode(text, add_special_tokens=True))

    async def _candidates(self, ids: list[int]) -> AsyncGenerator[str, None]:
        """Yield texts that may encode to `ids`, without the tokens that TGI adds, then with them.

        Both are decoded at once, then in runs between special tokens, beside which some decoders
        lose a blank.
        """
        added = len(self._added)
        if added and ids[:added] == self._added:
            yield await self._decode(ids[added:])
            yield await self._decode_runs(ids[added:])
        yield await self._decode(ids)
        yield await self._decode_runs(ids)

    async def _decode(self, ids: list[int]) -> str:
        return await self._tokenizer.decode_long(ids, skip_special_tokens=False)

    async def _decode_runs(self, ids: list[int]) -> str:
        if len(ids) <= LONG_TEXT:
            return self._by_runs(ids)
        return await asyncio.to_thread(self._by_runs, ids)

    def _by_runs(self, ids: list[int]) -> str:
        runs: list[list[int]] = [[]]
        between = []
        for token_id in ids:
            special = self._special.get(token_id)
            if special is None:
                runs[-1].append(token_id)
            else:
                between.append(special)
                runs.append([])
        # This call alone lets other threads run.
        texts = self._tokenizer.fast.decode_batch(runs, skip_special_tokens=False)
        return "".join(chain.from_iterable(zip_longest(texts, between, fillvalue="")))
