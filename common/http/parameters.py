"""Validated bodies become complete sampling values: defaults filled in, limits checked."""

from collections.abc import Mapping, Sequence
from typing import Any

from common.errors import ContextLengthExceeded, InvalidValue
from common.http.schemas import ResponseFormat, SamplingFields
from common.sampling import Sampling
from common.serving.capabilities import NEUTRAL, Capabilities
from common.text.vocabulary import Vocabulary

DEFAULT_MAX_TOKENS = 1024
GREEDY_BELOW = 1e-5
"""Logits divided by less overflow a 16-bit float; it is greedy in all but name."""
LEAST_PENALTY = 0.01
ANY_OBJECT: Mapping[str, Any] = {"type": "object"}
CHECKED = [name for name in NEUTRAL if name in SamplingFields.model_fields]


class Parameters:
    """Knows the model's limits and defaults and the backend's gaps."""

    def __init__(
        self,
        capabilities: Capabilities,
        defaults: Mapping[str, Any],
        end_token_ids: frozenset[int],
        max_model_len: int,
        vocabulary: Vocabulary,
    ) -> None:
        self.capabilities = capabilities
        self._defaults = defaults
        self._end_token_ids = end_token_ids
        self._max_model_len = max_model_len
        self._vocabulary = vocabulary

    def sampling(
        self,
        body: SamplingFields,
        prompts: Sequence[Sequence[int]],
        *,
        max_tokens: int | None,
        max_tokens_field: str = "max_tokens",
        logprobs: int | None = None,
        json_schema: Mapping[str, Any] | None = None,
        prompt_field: str = "prompt",
    ) -> Sampling:
        """Every prompt and every id passes here on its way to the engine.

        Raises InvalidValue, UnsupportedParameter, ContextLengthExceeded.
        """
        self._check_supported(body)
        json_schema = json_schema or self._json_schema(body.response_format)
        limit = self._max_tokens(prompts, max_tokens, prompt_field, max_tokens_field)
        for ids in prompts:
            self._vocabulary.check_prompt(ids, prompt_field)
        min_tokens = body.min_tokens or 0
        if min_tokens > limit:
            raise InvalidValue(
                f"min_tokens is {min_tokens}; allowed is at most {max_tokens_field}, {limit}",
                param="min_tokens",
            )
        if body.ignore_eos and json_schema is not None:
            raise InvalidValue(
                "ignore_eos cannot be used with response_format: the end of the document is the "
                "end of the answer",
                param="ignore_eos",
            )
        ends = frozenset() if body.ignore_eos else self._end_token_ids
        temperature = self._value(body, "temperature")
        return Sampling(
            max_tokens=limit,
            temperature=0.0 if temperature < GREEDY_BELOW else temperature,
            top_p=self._value(body, "top_p"),
            top_k=max(self._value(body, "top_k"), 0),
            min_p=self._value(body, "min_p"),
            repetition_penalty=max(self._value(body, "repetition_penalty"), LEAST_PENALTY),
            presence_penalty=body.presence_penalty or 0.0,
            frequency_penalty=body.frequency_penalty or 0.0,
            seed=None if body.seed is None else body.seed % 2**63,
            min_tokens=min_tokens,
            end_token_ids=ends | self._stop_token_ids(body),
            logprobs=logprobs,
            logit_bias=self._logit_bias(body),
            json_schema=json_schema,
        )

    def _check_supported(self, body: SamplingFields) -> None:
        for name in CHECKED:
            value = getattr(body, name)
            if value is None or (name == "top_k" and value == -1):
                continue
            if name == "response_format" and value.type == "text":
                continue
            self.capabilities.check(name, value)

    def _max_tokens(
        self,
        prompts: Sequence[Sequence[int]],
        given: int | None,
        prompt_field: str,
        max_tokens_field: str,
    ) -> int:
        longest = max(map(len, prompts))
        left = self._max_model_len - longest
        if longest == 0:
            raise InvalidValue(
                "the prompt is empty; at least one token is needed", param=prompt_field
            )
        if left < 1 or (given is not None and given > left):
            suffix = "" if given is None else f" and {max_tokens_field} is {given}"
            raise ContextLengthExceeded(
                f"the prompt has {longest} tokens{suffix}; "
                f"both together may be at most {self._max_model_len} tokens",
                param=prompt_field if given is None else max_tokens_field,
            )
        return min(left, DEFAULT_MAX_TOKENS) if given is None else given

    def _value(self, body: SamplingFields, name: str) -> Any:
        value = getattr(body, name)
        return self._defaults[name] if value is None else value

    def _stop_token_ids(self, body: SamplingFields) -> frozenset[int]:
        ids = frozenset(body.stop_token_ids or ())
        self._vocabulary.check_field(ids, "stop_token_ids")
        return ids

    def _logit_bias(self, body: SamplingFields) -> dict[int, float]:
        try:
            bias = {int(key): float(value) for key, value in (body.logit_bias or {}).items()}
        except ValueError:
            raise InvalidValue(
                "the keys of logit_bias must be token ids, such as '15'", param="logit_bias"
            ) from None
        self._vocabulary.check_field(bias, "logit_bias")
        return bias

    @staticmethod
    def _json_schema(response_format: ResponseFormat | None) -> Mapping[str, Any] | None:
        if response_format is None or response_format.type == "text":
            return None
        if response_format.type == "json_object":
            return ANY_OBJECT
        if response_format.json_schema is None:
            raise InvalidValue(
                "response_format of type json_schema needs the field json_schema",
                param="response_format",
            )
        return response_format.json_schema.json_schema
