"""The values by which an engine chooses tokens, already checked, in no engine's own words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Sampling:
    """Values are in range and complete: an adapter translates names and never guesses defaults.

    `temperature` 0 is greedy. `top_k` 0 is off. `end_token_ids` is everything that ends the
    generation: the model's own end tokens (empty of them under `ignore_eos`) and the request's
    `stop_token_ids`. `logprobs` counts the alternatives reported per token: None for no
    log-probabilities at all, 0 for the chosen token's only. `json_schema` constrains the text to
    a JSON document: None is free text, `{"type": "object"}` any object.
    """

    max_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    seed: int | None = None
    min_tokens: int = 0
    end_token_ids: frozenset[int] = frozenset()
    logprobs: int | None = None
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    json_schema: Mapping[str, Any] | None = None

    @property
    def keeps_probabilities(self) -> bool:
        """Returns whether nothing here changes the model's own probabilities."""
        plain = self.temperature == 1 and self.top_p == 1 and not self.top_k and not self.min_p
        unpenalized = self.repetition_penalty == 1 and not (
            self.presence_penalty or self.frequency_penalty
        )
        unbound = not self.logit_bias and not self.min_tokens and self.json_schema is None
        return (plain or self.temperature == 0) and unpenalized and unbound
