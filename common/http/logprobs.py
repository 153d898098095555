"""Log-probabilities in OpenAI's two shapes."""

from collections.abc import Sequence
from typing import Any

from common.engine import TokenLogprob
from common.tokenizer import Tokenizer

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


def completion_logprobs(
    tokenizer: Tokenizer, entries: Sequence[TokenLogprob], offset: int
) -> dict[str, Any]:
    """`choices[].logprobs` of /v1/completions; `offset` is the first token's place in the text."""
    tokens = [tokenizer.token_bytes(entry.token_id)[0] for entry in entries]
    offsets = []
    for entry in entries:
        offsets.append(offset)
        offset += len(tokenizer.decode([entry.token_id], skip_special_tokens=True))
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
        "text_offset": offsets,
    }
