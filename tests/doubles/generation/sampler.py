"""Choice of one sequence's next token from its logits."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tests.doubles.generation.options import Options

Floats = NDArray[np.float64]


class Sampler:
    """Its own random numbers and counts: what else runs in the batch has no influence."""

    def __init__(self, options: Options, prompt_ids: Sequence[int], vocab_size: int) -> None:
        self._options = options
        seed = options.seed
        # Engines take negative seeds, numpy does not.
        self._random = np.random.default_rng(None if seed is None else seed % 2**64)
        self._all_kept = options.min_p == 0 and options.top_k == 0 and options.top_p >= 1
        self._counts = np.zeros(vocab_size, np.int32)
        self._seen = np.zeros(vocab_size, np.bool_)
        self._seen[list(prompt_ids)] = True
        self._made = 0
        self._end_ids = sorted(options.end_ids)
        self._bias_ids = list(options.logit_bias)
        self._bias = np.array(list(options.logit_bias.values()), np.float64)

    def choose(self, logits: Floats) -> int:
        """The next token's id, counted by `add` afterwards."""
        logits = self._adjusted(logits)
        if self._options.temperature == 0:
            return int(logits.argmax())
        probabilities = self._probabilities(logits)
        if self._all_kept:
            return self._draw(probabilities)
        order = np.argsort(-probabilities, kind="stable")
        descending = probabilities[order]
        return int(order[self._draw(descending[: self._kept(descending)])])

    def add(self, token_id: int) -> None:
        """Count a token that the answer now has."""
        self._made += 1
        self._counts[token_id] += 1
        self._seen[token_id] = True

    def _draw(self, weights: Floats) -> int:
        cumulative = weights.cumsum()
        point = self._random.random() * cumulative[-1]
        return int(cumulative.searchsorted(point, side="right"))

    def _adjusted(self, logits: Floats) -> Floats:
        options = self._options
        logits = logits.copy()
        if self._bias_ids:
            logits[self._bias_ids] += self._bias
        if options.repetition_penalty != 1:
            seen = logits[self._seen]
            penalty = options.repetition_penalty
            logits[self._seen] = np.where(seen > 0, seen / penalty, seen * penalty)
        if options.frequency_penalty:
            logits -= options.frequency_penalty * self._counts
        if options.presence_penalty:
            logits -= options.presence_penalty * (self._counts > 0)
        if self._made < options.min_tokens and self._end_ids:
            logits[self._end_ids] = -np.inf
        return logits

    def _probabilities(self, logits: Floats) -> Floats:
        with np.errstate(over="ignore"):
            weights = np.exp((logits - logits.max()) / self._options.temperature)
        normed: Floats = weights / weights.sum()
        return normed

    def _kept(self, descending: Floats) -> int:
        """How many of the likeliest tokens may be chosen: min_p, then top_k, then top_p."""
        options = self._options
        kept = int(np.count_nonzero(descending >= options.min_p * descending[0]))
        if options.top_k > 0:
            kept = min(kept, options.top_k)
        if options.top_p < 1:
            cumulative = descending[:kept].cumsum()
            kept = int(cumulative.searchsorted(options.top_p * cumulative[-1])) + 1
        return max(1, min(kept, len(descending)))
