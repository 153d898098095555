"""The request fields that this service honours, and one sentence why not for each other."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from common.engine import Engine
from common.errors import UnsupportedParameter
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
    "logit_bias": {},
    "response_format": None,
    "tools": [],
    "tool_choice": None,
}
"""The value of each field that leaves the output as it is: always accepted."""

SHARED = ("max_tokens", "stop", "n", "stream", "echo", "chat_template_kwargs", "system_prompt")
"""Fields that shared code honours on every backend."""

FROM_MODEL = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")
"""Fields whose default a model may set in generation_config.json."""


@dataclass(frozen=True)
class Capabilities:
    """The engine's gaps together with the model's (a template without tools, no template)."""

    backend: str
    unsupported: Mapping[str, str]

    def as_map(self) -> dict[str, bool | str]:
        return {name: self.unsupported.get(name, True) for name in (*NEUTRAL, *SHARED)}

    def check(self, field: str, value: Any) -> None:
        """Raises UnsupportedParameter when `value` would be ignored."""
        reason = self.unsupported.get(field)
        if reason is not None and value != NEUTRAL.get(field):
            raise UnsupportedParameter(
                f"{field} is not supported by the {self.backend} backend: {reason}", param=field
            )


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
