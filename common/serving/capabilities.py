"""The request fields that this service honours, and one sentence why not for each other."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from common.engine import Engine
from common.errors import UnsupportedParameter
from common.json_schema import SchemaSupport, check_schema
from common.models.model import Model
from common.sampling import Sampling

logger = logging.getLogger("bentoml.llm.capabilities")

NEUTRAL: Mapping[str, Any] = {
    "temperature": 1.0,
    "top_p": 1.0,
    "top_k": 0,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "seed": None,
    "min_tokens": 0,
    "ignore_eos": False,
    "stop_token_ids": [],
    "logprobs": None,
    "top_logprobs": 0,
    "prompt_logprobs": None,
    "logit_bias": {},
    "response_format": None,
    "regex": None,
    "grammar": None,
    "allowed_token_ids": [],
    "bad_words": [],
    "cache_salt": None,
    "priority": 0,
    "tools": [],
    "tool_choice": None,
    "images": [],
}
"""The value of each field that leaves the output as it is: always accepted. `images` are no field
of their own but parts of messages."""

SHARED = (
    "max_tokens", "stop", "n", "stream", "echo", "chat_template_kwargs", "system_prompt",
    "add_generation_prompt", "continue_final_message", "reasoning_effort", "include_reasoning",
    "parallel_tool_calls",
    "add_special_tokens", "truncate_prompt_tokens", "skip_special_tokens",
    "include_stop_str_in_output", "return_token_ids", "return_tokens_as_token_ids",
)  # fmt: skip
"""Fields that shared code honours on every backend."""

EMBEDDING = ("embeddings", "dimensions")
"""Whether the service embeds at all, and the one field that depends on its model."""

OF_TEXTS = ("add_special_tokens", "truncate_prompt_tokens")
"""Fields of SHARED that a service which embeds honours."""

FROM_MODEL = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")
"""Fields whose default a model may set in generation_config.json."""


@dataclass(frozen=True)
class Capabilities:
    """The engine's gaps together with the model's (a template without tools, no template)."""

    backend: str
    unsupported: Mapping[str, str]
    schemas: SchemaSupport | None = None

    def as_map(self) -> dict[str, bool | str]:
        names = (*NEUTRAL, *SHARED, *EMBEDDING)
        return {name: self.unsupported.get(name, True) for name in names}

    def check(self, field: str, value: Any, param: str | None = None) -> None:
        """Raises UnsupportedParameter when `value` would be ignored; `param` is its other name."""
        reason = self.unsupported.get(field)
        if reason is not None and value != NEUTRAL.get(field):
            param = param or field
            raise UnsupportedParameter(
                f"{param} is not supported by the {self.backend} backend: {reason}", param=param
            )

    def check_schema(self, schema: Mapping[str, Any], param: str, spent: float = 0) -> float:
        """Returns what this request has `spent` of the compiler's limits with this schema too.

        Raises InvalidValue for what is no schema, UnsupportedParameter for what is not enforced.
        """
        return 0 if self.schemas is None else check_schema(self.schemas, schema, param, spent)


def check_logprobs(sampling: Sampling, title: str) -> None:
    """Check a request to an engine that reports probabilities after sampling has changed them.

    Raises UnsupportedParameter when they would differ from the model's own, which others report.
    """
    if sampling.logprobs is not None and not sampling.keeps_probabilities:
        raise UnsupportedParameter(
            f"logprobs: {title} tells probabilities after sampling has changed them; allowed with "
            "them are temperature 0 or 1, and no other sampling field, penalty, logit_bias, "
            "min_tokens or response_format",
            param="logprobs",
        )


def logprobs_gaps(model: Model, title: str) -> dict[str, str]:
    """Returns the gaps of such an engine, with reasons, if the model's defaults change them."""
    changed = [
        f"{name} {model.generation_config[name]:g}"
        for name in FROM_MODEL
        if model.generation_config.get(name) not in (None, NEUTRAL[name])
    ]
    if not changed:
        return {}
    reason = (
        f"{title} tells probabilities after sampling has changed them, and the model's "
        f"generation_config.json asks for {', '.join(changed)}"
    )
    return {"logprobs": reason, "top_logprobs": reason}


def default_values(engine: Engine) -> dict[str, Any]:
    """Returns the sampling defaults: neutral values, or the model's own that the engine honours."""
    defaults = {name: NEUTRAL[name] for name in FROM_MODEL}
    gaps = engine.gaps()
    for name in FROM_MODEL:
        value = engine.model.generation_config.get(name)
        if value is None or value == defaults[name]:
            continue
        if name in gaps:
            logger.warning(
                "the model asks for %s %s by default; %s does not support it: %s",
                name,
                value,
                engine.name,
                gaps[name],
            )
        else:
            defaults[name] = value
    return defaults
