"""One generation of the backend: its tensors, its stop criteria, its way of streaming."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tests.doubles.generation import Options, Token
from tests.doubles.triton.settings import BackendSettings

Tensors = Mapping[str, Any]
FETCHING = "Encountered an error when fetching new request: "
FORBIDDEN = -1e9
USED = {
    "input_ids", "input_lengths", "request_output_len", "streaming", "exclude_input_in_output",
    "end_id", "pad_id", "runtime_top_k", "runtime_top_p", "temperature", "seed", "min_tokens",
    "repetition_penalty", "stop_words_list", "bad_words_list", "embedding_bias",
    "return_log_probs",
}  # fmt: skip
"""Tensors whose meaning is here; the others are refused rather than ignored."""


class Piece(NamedTuple):
    """One response: ids are new, log-probabilities are those of the whole answer so far."""

    ids: Sequence[int]
    logprobs: Sequence[float] | None
    final: bool


def number(tensors: Tensors, name: str, default: Any) -> Any:
    tensor = tensors.get(name)
    return default if tensor is None else tensor.reshape(-1)[0].item()


def words(tensors: Tensors, name: str) -> list[list[int]]:
    """A list of words: ids in the first row, in the second where each word ends, then -1."""
    if name not in tensors:
        return []
    ids, ends = tensors[name].reshape(2, -1).tolist()
    words: list[list[int]] = []
    start = 0
    for end in ends:
        if end == -1:
            break
        if not start < end <= len(ids):
            raise ValueError("Sparse list must not have out-of-bound offsets")
        words.append(ids[start:end])
        start = end
    return words


class Generation:
    """Raises ValueError, with the backend's words, for tensors that cannot be."""

    def __init__(
        self, tensors: Tensors, settings: BackendSettings, respond: Callable[[Piece], None]
    ) -> None:
        if unused := sorted(tensors.keys() - USED):
            raise ValueError(f"this double does not know {', '.join(unused)}")
        self._respond = respond
        self.prompt_ids: list[int] = tensors["input_ids"].reshape(-1).tolist()
        self._streaming = bool(number(tensors, "streaming", False))
        self._excludes_input = number(
            tensors, "exclude_input_in_output", settings.exclude_input_in_output
        )
        self._wants_logprobs = bool(number(tensors, "return_log_probs", False))
        self._end_id = number(tensors, "end_id", -1)
        self._stop_words = words(tensors, "stop_words_list")
        self._check_lengths(tensors, settings)
        self.options = self._options(tensors, settings)
        self._ids: list[int] = []
        self._logprobs: list[float] = []
        self._sent = 0

    def _check_lengths(self, tensors: Tensors, settings: BackendSettings) -> None:
        length = len(self.prompt_ids)
        if number(tensors, "input_lengths", None) != length:
            raise ValueError("input_lengths is not the length of input_ids")
        if length > settings.max_input_len:
            raise ValueError(
                f"{FETCHING}Prompt length ({length}) exceeds maximum input length "
                f"({settings.max_input_len}). Set log level to info and check"
            )
        # What goes beyond max_seq_len is cut off, with a warning in the log only.
        requested = number(tensors, "request_output_len", None)
        self._max_tokens = min(requested, settings.max_seq_len - length)

    def _options(self, tensors: Tensors, settings: BackendSettings) -> Options:
        top_k = number(tensors, "runtime_top_k", 0)
        top_p = number(tensors, "runtime_top_p", 0.0)
        temperature = number(tensors, "temperature", 1.0)
        penalty = number(tensors, "repetition_penalty", 1.0)
        min_tokens = number(tensors, "min_tokens", 0)
        if top_k < 0 or top_p > 1 or temperature < 0 or penalty <= 0 or min_tokens < 0:
            raise ValueError("Assertion failed: a sampling value is out of range")
        if top_k > 1024:
            raise ValueError(f"TopK kernel supports 1 <= k <= 1024 but got k={top_k}")
        if min_tokens and self._end_id < 0:
            raise ValueError("min_tokens writes before the logits where there is no end_id")
        if top_k == 0 and top_p <= 0:
            top_k = 1
        return Options(
            max_tokens=self._max_tokens,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p if top_p > 0 else 1.0,
            repetition_penalty=penalty,
            seed=number(tensors, "seed", 0),
            min_tokens=min_tokens,
            end_ids=frozenset([self._end_id] if self._end_id >= 0 else []),
            logit_bias=self._bias(tensors, settings.vocab_size),
        )

    @staticmethod
    def _bias(tensors: Tensors, vocab_size: int) -> dict[int, float]:
        bias = np.zeros(vocab_size, np.float32)
        if "embedding_bias" in tensors:
            given = tensors["embedding_bias"].reshape(-1)
            if len(given) != vocab_size:
                raise ValueError(f"embedding bias has {len(given)} values, logits {vocab_size}")
            bias += given
        for word in words(tensors, "bad_words_list"):
            if len(word) > 1:
                raise ValueError("this double knows bad words of one token")
            bias[word[0]] = FORBIDDEN
        return {int(token): float(bias[token]) for token in bias.nonzero()[0]}

    def take(self, token: Token) -> bool:
        """A token from the generator; true when the answer is over."""
        ended = token.id == self._end_id
        if not ended:
            self._ids.append(token.id)
            self._logprobs.append(token.logprob)
        final = ended or token.finish is not None or self._at_stop_word()
        if self._streaming or final:
            self._respond(self._piece(final))
        return final

    def _at_stop_word(self) -> bool:
        return any(self._ids[-len(word) :] == word for word in self._stop_words)

    def _piece(self, final: bool) -> Piece:
        ids = self._ids[self._sent :]
        self._sent = len(self._ids)
        if not self._streaming and not self._excludes_input:
            ids = [*self.prompt_ids, *ids]
        return Piece(ids, list(self._logprobs) if self._wants_logprobs else None, final)
