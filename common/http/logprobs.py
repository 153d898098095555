"""Log-probabilities in OpenAI's two shapes."""

from collections.abc import Sequence
from typing import Any

from common.engine import TokenLogprob
from common.text.detokenizer import Detokenizer
from common.text.tokenizer import Tokenizer

LOWEST = -9999.0
"""What OpenAI's API shows for a probability of zero: JSON has no minus infinity."""


def chat_logprobs(tokenizer: Tokenizer, entries: Sequence[TokenLogprob]) -> dict[str, Any]:
    """`choices[].logprobs` of /v1/chat/completions."""

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


class TextOffsets:
    """Where each token of one answer begins in the text, `start` characters of it before."""

    def __init__(self, tokenizer: Tokenizer, start: int) -> None:
        self._detokenizer = Detokenizer(tokenizer)
        self._next = start

    def place(self, token_id: int) -> int:
        """Tokens that are parts of one character share its place."""
        place = self._next
        self._next += len(self._detokenizer.feed((token_id,)))
        return place


def completion_logprobs(
    tokenizer: Tokenizer, entries: Sequence[TokenLogprob], offsets: TextOffsets
) -> dict[str, Any]:
    """`choices[].logprobs` of /v1/completions."""
    tokens = [tokenizer.token_bytes(entry.token_id)[0] for entry in entries]
    return {
        "tokens": tokens,
        "token_logprobs": [max(entry.logprob, LOWEST) for entry in entries],
        "top_logprobs": [
            {
                tokenizer.token_bytes(token_id)[0]: max(value, LOWEST)
                for token_id, value in entry.top
            }
            for entry in entries
        ],
        "text_offset": [offsets.place(entry.token_id) for entry in entries],
    }
