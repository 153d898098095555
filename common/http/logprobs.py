"""Log-probabilities in OpenAI's two shapes."""

from collections.abc import Sequence
from typing import Any

from common.engine import TokenLogprob
from common.text.detokenizer import Detokenizer
from common.text.tokenizer import Tokenizer

LOWEST = -9999.0
"""The value that OpenAI's API gives for a probability of zero: JSON has no minus infinity."""


INCOMPLETE = "\ufffd"
"""The text of a token that is a part of a character."""


class Logprobs:
    """Writes log-probabilities in OpenAI's two shapes. With `by_id`, tokens are named by their id:
    `token_id:5`."""

    def __init__(self, tokenizer: Tokenizer, *, by_id: bool = False) -> None:
        self._tokenizer = tokenizer
        self._by_id = by_id

    def of_chat(self, entries: Sequence[TokenLogprob]) -> dict[str, Any]:
        """Returns `choices[].logprobs` of /v1/chat/completions."""

        def one(token_id: int, logprob: float) -> dict[str, Any]:
            text, data = self._tokenizer.token_bytes(token_id)
            name = by_id(token_id) if self._by_id else text
            return {"token": name, "logprob": max(logprob, LOWEST), "bytes": data}

        return {
            "content": [
                one(entry.token_id, entry.logprob)
                | {"top_logprobs": [one(token_id, value) for token_id, value in entry.top]}
                for entry in entries
            ],
            "refusal": None,
        }

    def of_echo(
        self,
        prompt_ids: Sequence[int],
        entries: Sequence[TokenLogprob | None],
        offsets: "TextOffsets",
    ) -> dict[str, Any]:
        """Returns `choices[].logprobs` of an echoed prompt, with null at its first token."""
        return {
            "tokens": [self._name(token_id) for token_id in prompt_ids],
            "token_logprobs": [entry and max(entry.logprob, LOWEST) for entry in entries],
            "top_logprobs": [entry and self._top(entry) for entry in entries],
            "text_offset": [offsets.next(token_id) for token_id in prompt_ids],
        }

    def of_prompt(
        self, entries: Sequence[TokenLogprob | None]
    ) -> list[dict[str, dict[str, Any]] | None]:
        """Returns `prompt_logprobs`: each token's entries by id, null at the first.

        The `rank` of a token is left out where it is not among the likeliest.
        """
        return [entry and self._by_rank(entry) for entry in entries]

    def _by_rank(self, entry: TokenLogprob) -> dict[str, dict[str, Any]]:
        def one(token_id: int, logprob: float) -> dict[str, Any]:
            return {"logprob": max(logprob, LOWEST), "decoded_token": self._name(token_id)}

        ranked = {
            str(token_id): {**one(token_id, value), "rank": rank}
            for rank, (token_id, value) in enumerate(entry.top, 1)
        }
        return {str(entry.token_id): one(entry.token_id, entry.logprob), **ranked}

    def of_completion(
        self, entries: Sequence[TokenLogprob], offsets: "TextOffsets"
    ) -> dict[str, Any]:
        """Returns `choices[].logprobs` of /v1/completions."""
        return {
            "tokens": [self._name(entry.token_id) for entry in entries],
            "token_logprobs": [max(entry.logprob, LOWEST) for entry in entries],
            "top_logprobs": [self._top(entry) for entry in entries],
            "text_offset": [offsets.next(entry.token_id) for entry in entries],
        }

    def _top(self, entry: TokenLogprob) -> dict[str, float]:
        """Returns one value per token. Of several with one text, the chosen one has it as its name,
        else the likeliest; the others are named by their ids."""
        names = {self._name(entry.token_id): entry.token_id}
        for token_id, _ in entry.top:
            if names.setdefault(self._name(token_id), token_id) != token_id:
                names[by_id(token_id)] = token_id
        name_of = {token_id: name for name, token_id in names.items()}
        return {name_of[token_id]: max(value, LOWEST) for token_id, value in entry.top}

    def _name(self, token_id: int) -> str:
        """Returns the token's text, or its bytes in OpenAI's way where it is no text by itself."""
        if self._by_id:
            return by_id(token_id)
        text, data = self._tokenizer.token_bytes(token_id)
        if INCOMPLETE not in text:
            return text
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in data)


def by_id(token_id: int) -> str:
    return f"token_id:{token_id}"


class TextOffsets:
    """Finds where each token of one answer starts in the text, after `start` characters."""

    def __init__(self, detokenizer: Detokenizer, start: int) -> None:
        self._detokenizer = detokenizer
        self._next = start

    def next(self, token_id: int) -> int:
        """Returns the offset of the next token; tokens that are parts of one character share it."""
        offset = self._next
        self._next += len(self._detokenizer.feed((token_id,)))
        return offset
