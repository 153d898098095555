"""Log-probabilities in OpenAI's two shapes."""

from collections.abc import Sequence
from typing import Any

from common.engine import TokenLogprob
from common.text.detokenizer import Detokenizer
from common.text.tokenizer import Tokenizer

LOWEST = -9999.0
"""The value that OpenAI's API gives for a probability of zero: JSON has no minus infinity."""


class TextOffsets:
    """Finds where each token of one answer starts in the text, after `start` characters."""

    def __init__(self, tokenizer: Tokenizer, start: int) -> None:
        self._detokenizer = Detokenizer(tokenizer)
        self._next = start

    def next(self, token_id: int) -> int:
        """Returns the offset of the next token; tokens that are parts of one character share it."""
        offset = self._next
        self._next += len(self._detokenizer.feed((token_id,)))
        return offset


def chat_logprobs(tokenizer: Tokenizer, entries: Sequence[TokenLogprob]) -> dict[str, Any]:
    """Returns `choices[].logprobs` of /v1/chat/completions."""

    def one(token_id: int, logprob: float) -> dict[str, Any]:
        text, data = tokenizer.token_bytes(token_id)
        return {"token": text, "logprob": max(logprob, LOWEST), "bytes": data}

    return {
        "content": [
            one(entry.token_id, entry.logprob)
            | {"top_logprobs": [one(token_id, value) for token_id, value in entry.top]}
            for entry in entries
        ],
        "refusal": None,
    }


def completion_logprobs(
    tokenizer: Tokenizer, entries: Sequence[TokenLogprob], offsets: TextOffsets
) -> dict[str, Any]:
    """Returns `choices[].logprobs` of /v1/completions."""

    def one(token_id: int) -> str:
        return tokenizer.token_bytes(token_id)[0]

    return {
        "tokens": [one(entry.token_id) for entry in entries],
        "token_logprobs": [max(entry.logprob, LOWEST) for entry in entries],
        "top_logprobs": [
            {one(token_id): max(value, LOWEST) for token_id, value in entry.top}
            for entry in entries
        ],
        "text_offset": [offsets.next(entry.token_id) for entry in entries],
    }
