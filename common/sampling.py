"""The values by which an engine chooses tokens, already checked, in no engine's own words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from common.call_grammar import CallGrammar
from common.errors import InvalidValue
from common.reasoning_text import ReasoningText


@dataclass(frozen=True, slots=True)
class Sampling:
    """Values are in range and complete: an adapter translates names and never guesses defaults.

    `temperature` 0 is greedy. `top_k` 0 is off. `end_token_ids` is everything that ends the
    generation: the model's own end tokens (empty of them under `ignore_eos`) and the request's
    `stop_token_ids`. `logprobs` counts the alternatives reported per token: None for no
    log-probabilities at all, 0 for the chosen token's only; `prompt_logprobs` does so for the
    tokens of the prompt. `json_schema` constrains the text to a JSON document: None is free text,
    `{"type": "object"}` any object. `calls` constrains it to tool calls, `regex` and `grammar`
    (GBNF) to theirs; at most one of the four is given. `reasoning` is what comes before that form;
    an engine gets it that `reasons_before_forms`.

    `allowed_token_ids` are the only tokens to choose from, where there are some. `bad_words` are
    sequences of ids that must not come. Requests share a prefix cache only with those of the same
    `cache_salt`; those of lower `priority` come first.
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
    prompt_logprobs: int | None = None
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    json_schema: Mapping[str, Any] | None = None
    calls: CallGrammar | None = None
    regex: str | None = None
    grammar: str | None = None
    reasoning: ReasoningText | None = None
    allowed_token_ids: tuple[int, ...] = ()
    bad_words: tuple[tuple[int, ...], ...] = ()
    cache_salt: str | None = None
    priority: int = 0

    @property
    def constrained(self) -> bool:
        """Returns whether a form says which texts are allowed, and so where the answer ends."""
        return self.form_field is not None

    @property
    def form_field(self) -> str | None:
        """Returns the name of the field that asks for a form, None for free text."""
        if self.json_schema is not None:
            return "response_format"
        if self.calls is not None:
            return "tools"
        if self.regex is not None:
            return "regex"
        return None if self.grammar is None else "grammar"

    @property
    def keeps_probabilities(self) -> bool:
        """Returns whether nothing here changes the model's own probabilities."""
        plain = self.temperature == 1 and self.top_p == 1 and not self.top_k and not self.min_p
        unpenalized = self.repetition_penalty == 1 and not (
            self.presence_penalty or self.frequency_penalty
        )
        unbound = not (
            self.logit_bias
            or self.min_tokens
            or self.constrained
            or self.allowed_token_ids
            or self.bad_words
        )
        return (plain or self.temperature == 0) and unpenalized and unbound


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that an engine takes in one request, where its own code has a limit.

    `ends` counts the tokens that may end an answer, the model's own among them;
    `ends_with_min_tokens` counts them for a request with min_tokens. `logit_bias` counts entries,
    `allowed_token_ids` ids; `bad_words` counts sequences of ids, of which a word may have two, and
    `bad_word_tokens` the ids in all of them. None is no limit.
    """

    ends: int | None = None
    ends_with_min_tokens: int | None = None
    logit_bias: int | None = None
    allowed_token_ids: int | None = None
    bad_words: int | None = None
    bad_word_tokens: int | None = None

    def check(self, sampling: Sampling, backend: str) -> None:
        """Raises InvalidValue for a request beyond a limit, which it names."""
        ends, own = len(sampling.end_token_ids), "tokens end the answer, the model's own among them"
        with_min = self.ends_with_min_tokens if sampling.min_tokens else None
        allowed = len(sampling.allowed_token_ids)
        words = "sequences of tokens are the spellings of bad_words"
        for count, limit, what, condition, param in (
            (ends, self.ends, own, "", "stop_token_ids"),
            (ends, with_min, own, " together with min_tokens", "stop_token_ids"),
            (len(sampling.logit_bias), self.logit_bias, "entries", "", "logit_bias"),
            (allowed, self.allowed_token_ids, "ids", "", "allowed_token_ids"),
            (len(sampling.bad_words), self.bad_words, words, "", "bad_words"),
            (sum(map(len, sampling.bad_words)), self.bad_word_tokens, "tokens", "", "bad_words"),
        ):
            if limit is not None and count > limit:
                raise InvalidValue(
                    f"{param}: {count} {what}; the {backend} backend takes at most "
                    f"{limit}{condition}",
                    param=param,
                )
