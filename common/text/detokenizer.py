"""Token ids to text as they come; a code point is never split over two pieces."""

from codecs import utf_8_decode
from collections.abc import Sequence

from common.text.token_texts import TextsInOrder, TokenTexts
from common.text.tokenizer import Tokenizer

MOST_PARTS = 3
"""Tokens that an incomplete code point in UTF-8 can have: each holds one byte at least."""


class Detokenizer:
    """Joins the texts of the tokens of one answer, which continues the text of its prompt.

    Both together are the text of all ids decoded at once. A code point that the prompt begins
    comes with the answer that completes it; what is left incomplete there stays with the prompt.
    """

    __slots__ = ("_begun", "_errors", "_owed", "_pending", "_plain", "_shared", "_texts")

    def __init__(
        self,
        tokenizer: Tokenizer,
        prompt_ids: Sequence[int] = (),
        *,
        skip_special_tokens: bool = True,
    ) -> None:
        self._shared = shared = tokenizer.texts[skip_special_tokens]
        self._errors = shared.errors
        previous, data = _end(shared, prompt_ids)
        self._pending = data[utf_8_decode(data, self._errors, False)[1] :]
        self._owed = self._pending.decode(errors=self._errors)
        self._begun = previous is not None
        self._plain = self._begun and not self._pending
        self._texts = shared if shared.independent else TextsInOrder(shared, previous)

    def feed(self, ids: Sequence[int]) -> str:
        """Returns the text that became final with `ids`; "" while a code point is incomplete."""
        texts = self._texts
        text = ""
        for token_id in ids:
            piece = texts[token_id]
            if self._plain and type(piece) is str:
                text += piece
            elif piece is not None:
                text += self._join(token_id, piece)
        return text

    def finish(self) -> str:
        """Returns U+FFFD when the sequence ends in an incomplete code point, else nothing."""
        rest, self._pending = self._pending, b""
        return self._without_owed(rest.decode(errors=self._errors))

    def _join(self, token_id: int, piece: str | bytes) -> str:
        """Returns the text of the first token, or of one at a code point of several tokens."""
        if not self._begun:
            self._begun = True
            piece = self._shared.first(token_id) or ""
        data = self._pending
        if isinstance(piece, bytes):
            data += piece
            text, complete = utf_8_decode(data, self._errors, False)
            self._pending = data[complete:]
        elif piece:
            text = data.decode(errors=self._errors) + piece
            self._pending = b""
        else:
            text = ""
        self._plain = not self._pending
        return self._without_owed(text) if self._owed else text

    def _without_owed(self, text: str) -> str:
        """Returns `text` without what stands for a code point that the prompt leaves incomplete."""
        if text:
            text = text.removeprefix(self._owed)
            self._owed = ""
        return text


def _end(texts: TokenTexts, prompt_ids: Sequence[int]) -> tuple[int | None, bytes]:
    """Returns the last token of the prompt that is shown, and the parts of a code point there."""
    last: int | None = None
    parts: list[bytes] = []
    for token_id in reversed(prompt_ids):
        piece = texts[token_id]
        if piece is None:
            continue
        last = token_id if last is None else last
        if isinstance(piece, str) or len(parts) == MOST_PARTS:
            break
        parts.insert(0, piece)
    return last, b"".join(parts)
