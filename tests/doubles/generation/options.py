"""What a caller asks of the generator and what it gets for each token."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple


@dataclass(frozen=True, slots=True)
class Options:
    """How tokens are chosen.

    `temperature` 0 is greedy; `top_k` 0 is off. `repetition_penalty` divides positive and
    multiplies negative logits of every token of prompt and output; `presence_penalty` and
    `frequency_penalty` are subtracted for tokens of the output. Only `end_ids` end an answer
    before `max_tokens`; before `min_tokens` tokens they are never chosen. `json_schema`
    makes the answer a JSON text that fits it, `structural_tag`, a form of xgrammar's, a tool call
    if it has to be one. `top_logprobs` counts the alternatives given with each token.
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
    end_ids: frozenset[int] = frozenset()
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    json_schema: Mapping[str, Any] | None = None
    structural_tag: Mapping[str, Any] | None = None
    top_logprobs: int | None = None


class Token(NamedTuple):
    """One chosen token. Log-probabilities are natural and those of the model's raw logits.

    `top` has the likeliest (id, logprob) first, whether or not the chosen one is among them.
    The end token is a Token too, with `finish` "stop".
    """

    id: int
    logprob: float
    top: list[tuple[int, float]]
    finish: Literal["stop", "length"] | None
