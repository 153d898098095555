"""Validated bodies become complete sampling values: defaults filled in, limits checked."""

from collections.abc import Mapping, Sequence
from typing import Any

from common.call_grammar import CallGrammar
from common.errors import ContextLengthExceeded, InvalidValue
from common.http.schemas import SamplingFields
from common.http.structure import check_written_out, grammar_of, requested_structure, schema_of
from common.sampling import Limits, Sampling
from common.serving.capabilities import NEUTRAL, Capabilities
from common.text.reasoning import Thinking
from common.text.tokenizer import Tokenizer
from common.text.vocabulary import Vocabulary

DEFAULT_MAX_TOKENS = 1024
GREEDY_BELOW = 1e-5
"""Logits divided by less overflow a 16-bit float; it is greedy in all but name."""
LEAST_PENALTY = 0.01
FORMS = ("response_format", "regex", "grammar")
"""Fields of a form: they have several spellings, see common/http/structure.py."""
CHECKED = [name for name in NEUTRAL if name in SamplingFields.model_fields and name not in FORMS]


class Parameters:
    """Knows the model's limits and defaults and the backend's gaps."""

    def __init__(
        self,
        capabilities: Capabilities,
        defaults: Mapping[str, Any],
        end_token_ids: frozenset[int],
        max_model_len: int,
        vocabulary: Vocabulary,
        limits: Limits,
        tokenizer: Tokenizer,
    ) -> None:
        self.capabilities = capabilities
        self._defaults = defaults
        self._end_token_ids = end_token_ids
        self._max_model_len = max_model_len
        self.vocabulary = vocabulary
        self._limits = limits
        self._tokenizer = tokenizer

    def sampling(
        self,
        body: SamplingFields,
        prompts: Sequence[Sequence[int]],
        *,
        max_tokens: int | None,
        max_tokens_field: str = "max_tokens",
        logprobs: int | None = None,
        prompt_logprobs: int | None = None,
        calls: CallGrammar | None = None,
        thinking: Thinking | None = None,
        prompt_field: str = "prompt",
    ) -> Sampling:
        """Every prompt and every id passes here on its way to the engine.

        Raises InvalidValue, UnsupportedParameter, ContextLengthExceeded.
        """
        self._check_supported(body)
        form: dict[str, Any] = {"calls": calls} if calls is not None else self._form(body)
        if form and thinking is not None:
            form["reasoning"] = thinking.before_form()
        limit = self._max_tokens(
            prompts, max_tokens, body.min_tokens or 0, prompt_field, max_tokens_field
        )
        for ids in prompts:
            self.vocabulary.check_prompt(ids, prompt_field)
        temperature = self._value(body, "temperature")
        sampling = Sampling(
            max_tokens=limit,
            temperature=0.0 if temperature < GREEDY_BELOW else temperature,
            top_p=self._value(body, "top_p"),
            top_k=max(self._value(body, "top_k"), 0),
            min_p=self._value(body, "min_p"),
            repetition_penalty=max(self._value(body, "repetition_penalty"), LEAST_PENALTY),
            presence_penalty=body.presence_penalty or 0.0,
            frequency_penalty=body.frequency_penalty or 0.0,
            seed=None if body.seed is None or self._draws_nothing(body) else body.seed % 2**63,
            min_tokens=body.min_tokens or 0,
            end_token_ids=self._ends(body, form),
            logprobs=logprobs,
            prompt_logprobs=prompt_logprobs,
            logit_bias=self._logit_bias(body),
            allowed_token_ids=self._allowed_token_ids(body),
            bad_words=self._bad_words(body),
            cache_salt=body.cache_salt,
            priority=body.priority or 0,
            **form,
        )
        self._limits.check(sampling, self.capabilities.backend)
        return sampling

    def _check_supported(self, body: SamplingFields) -> None:
        for name in CHECKED:
            value = getattr(body, name)
            if value is None or (name == "top_k" and value == -1):
                continue
            if name == "seed" and self._draws_nothing(body):
                # The likeliest token is the same whatever the seed: evaluations send one always.
                continue
            self.capabilities.check(name, value)

    def _draws_nothing(self, body: SamplingFields) -> bool:
        return bool(self._value(body, "temperature") < GREEDY_BELOW)

    def _max_tokens(
        self,
        prompts: Sequence[Sequence[int]],
        given: int | None,
        least: int,
        prompt_field: str,
        field: str,
    ) -> int:
        """Returns what is asked for, or what is left of the context where that is less."""
        for index, ids in enumerate(prompts):
            if not ids:
                which = "the prompt" if len(prompts) == 1 else f"{prompt_field}[{index}]"
                raise InvalidValue(
                    f"{which} is empty; at least one token is needed", param=prompt_field
                )
        longest, context = max(map(len, prompts)), self._max_model_len
        if longest >= context:
            raise ContextLengthExceeded.of(
                context,
                f"the prompt has {longest} tokens; shorten it, so that one is left for the answer",
                prompt_field,
            )
        if given is not None and given > context:
            raise ContextLengthExceeded.of(
                context,
                f"{field} is {given} and the prompt has {longest} tokens; lower {field}",
                field,
            )
        if given is not None and least > given:
            raise InvalidValue(
                f"min_tokens is {least}; allowed is at most {field}, {given}", param="min_tokens"
            )
        left = context - longest
        if least > left:
            raise InvalidValue(
                f"min_tokens is {least}; the prompt of {longest} tokens leaves {left} of {context}",
                param="min_tokens",
            )
        return min(left, max(DEFAULT_MAX_TOKENS, least) if given is None else given)

    def _value(self, body: SamplingFields, name: str) -> Any:
        value = getattr(body, name)
        return self._defaults[name] if value is None else value

    def _ends(self, body: SamplingFields, form: Mapping[str, Any]) -> frozenset[int]:
        """Returns the tokens that end the answer: the model's own and the client's."""
        if body.ignore_eos and form:
            raise InvalidValue(
                "ignore_eos cannot be used where an answer has a form, as by response_format or a "
                "tool_choice that makes the model call a tool: the end of the form is the end of "
                "the answer",
                param="ignore_eos",
            )
        ids = frozenset(body.stop_token_ids or ())
        self.vocabulary.check_field(ids, "stop_token_ids")
        # No text shows a special token, so a stop string that is one cannot come in a text.
        ids |= self.vocabulary.special_ids(body.stop or ())
        return ids if body.ignore_eos else ids | self._end_token_ids

    def _logit_bias(self, body: SamplingFields) -> dict[int, float]:
        try:
            bias = {int(key): float(value) for key, value in (body.logit_bias or {}).items()}
        except ValueError:
            raise InvalidValue(
                "the keys of logit_bias must be token ids, such as '15'", param="logit_bias"
            ) from None
        self.vocabulary.check_field(bias, "logit_bias")
        return bias

    def _allowed_token_ids(self, body: SamplingFields) -> tuple[int, ...]:
        ids = tuple(sorted(set(body.allowed_token_ids or ())))
        self.vocabulary.check_field(ids, "allowed_token_ids")
        return ids

    def _bad_words(self, body: SamplingFields) -> tuple[tuple[int, ...], ...]:
        words = {ids for word in body.bad_words or () for ids in self._tokenizer.spellings(word)}
        return tuple(sorted(words))

    def _form(self, body: SamplingFields) -> dict[str, Any]:
        """Returns the field of Sampling that holds the answer to the form that is asked for."""
        structure = requested_structure(body)
        if structure is None:
            return {}
        check = self.capabilities.check
        if structure.kind == "json":
            check("response_format", structure.value, structure.param)
            self.capabilities.check_schema(structure.value, structure.param)
            return {"json_schema": structure.value}
        if structure.kind != "choice":
            check(structure.kind, structure.value, structure.param)
            check_written_out(structure)
            return {structure.kind: structure.value}
        if "grammar" not in self.capabilities.unsupported:
            return {"grammar": grammar_of(structure.value)}
        check("response_format", structure.value, structure.param)
        return {"json_schema": schema_of(structure.value)}


def has_wrapped_choice(body: SamplingFields, sampling: Sampling) -> bool:
    """Returns whether the answer is one of the request's choices, but in a JSON object."""
    structure = None if sampling.json_schema is None else requested_structure(body)
    return structure is not None and structure.kind == "choice"
