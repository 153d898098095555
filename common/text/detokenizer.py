"""Token ids to text as they come; a code point is never split over two pieces."""

from collections.abc import Sequence

from tokenizers.decoders import DecodeStream

from common.text.tokenizer import Tokenizer

CONTEXT_IDS = 6
"""Prompt ids that decide how the first generated token is joined (leading space, byte runs)."""


class Detokenizer:
    """Incremental decoding of one sequence by `tokenizers`' DecodeStream."""

    __slots__ = ("_held", "_stream", "_tokenizer")

    def __init__(self, tokenizer: Tokenizer, prompt_ids: Sequence[int] = ()) -> None:
        self._tokenizer = tokenizer.fast
        context = list(prompt_ids[-CONTEXT_IDS:])
        # Otherwise the prompt's own text would come out when its last code point is completed.
        if self._tokenizer.decode(context, skip_special_tokens=True).endswith("\ufffd"):
            context = []
        self._stream = DecodeStream(ids=context, skip_special_tokens=True)
        self._held: list[int] = []

    def feed(self, ids: Sequence[int]) -> str:
        """The text that became final with `ids`; "" while a code point is incomplete."""
        step, tokenizer = self._stream.step, self._tokenizer
        held = self._held
        text = ""
        for token_id in ids:
            try:
                piece = step(tokenizer, token_id)
            except Exception:
                piece = self._restart(token_id)
            if piece is None:
                held.append(token_id)
            else:
                text += piece
                if held:
                    held.clear()
        return text

    def finish(self) -> str:
        """Returns U+FFFD when the sequence ends in an incomplete code point, else nothing."""
        rest = self._tokenizer.decode(self._held, skip_special_tokens=True) if self._held else ""
        self._held.clear()
        return rest

    def _restart(self, token_id: int) -> str:
        """DecodeStream gives up on some byte runs that are not UTF-8; go on behind them."""
        self._stream = DecodeStream(skip_special_tokens=True)
        return self._tokenizer.decode([*self._held, token_id], skip_special_tokens=True)
