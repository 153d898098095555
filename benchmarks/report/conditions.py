"""What must be equal for backends to be compared, and by which names they are told apart."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.report.names import display_name
from benchmarks.report.wording import limits_text
from benchmarks.results.schema import Result, Subject

FOUR_BITS = re.compile(r"(awq|gptq)(?!.*8)|int4|w4a|q4f|q4_|nvfp4|mxfp4|4[-_]?bit")
"""A part of the names of 4-bit schemes; `w4a8` has 4-bit weights too, `gptq-8bit` has not."""
LOOPS = {
    "closed": "closed loop",
    "poisson": "Poisson arrivals",
    "constant": "constant arrivals",
    "trace": "a trace replayed",
}
UNQUANTIZED = "none"
LOCATION_SETTINGS = frozenset(
    {"model", "quantization", "engine_dir", "engine_url", "served_model_name"}
)
"""Settings that say which model it is and where it lies; they make no variant of a backend."""
NO_SYSTEM_PROMPT = "no system prompt"


@dataclass(frozen=True)
class Condition:
    """Holds what must be equal for two backends to be compared. `shape` is the load except its
    level."""

    model: str
    quantization: str
    system_prompt: str
    shape: str

    @property
    def title(self) -> str:
        """The conditions with the names of their axes, where the value does not tell it."""
        return f"{self.model}, {self.quantization_title}, {self.system_prompt_title}"

    @property
    def quantization_title(self) -> str:
        return "unquantized" if self.quantization == UNQUANTIZED else self.quantization

    @property
    def order(self) -> tuple[str | bool, ...]:
        """A key to sort by: what is plain comes first."""
        return (self.model, self.quantization != UNQUANTIZED, self.quantization,
                self.system_prompt != NO_SYSTEM_PROMPT, self.system_prompt, self.shape)  # fmt: skip

    @property
    def system_prompt_title(self) -> str:
        plain = self.system_prompt == NO_SYSTEM_PROMPT
        return NO_SYSTEM_PROMPT if plain else "with a system prompt"

    @property
    def key(self) -> str:
        text = "\0".join((self.model, self.quantization, self.system_prompt, self.shape))
        return hashlib.sha256(text.encode()).hexdigest()[:8]


def condition(result: Result) -> Condition:
    subject, load = result.subject, result.load
    return Condition(
        model=subject.model,
        quantization=quantization_name(subject.quantization),
        system_prompt=_system_prompt_name(load.system_prompt),
        shape=_shape(result),
    )


def quantization_name(quantization: str | None) -> str:
    """Returns one name for all 4-bit schemes: each engine has its own, and they are compared."""
    if quantization is None:
        return "quantization not told"
    return "4-bit weights" if FOUR_BITS.search(quantization.lower()) else quantization


def variants(subjects: Sequence[Subject]) -> list[str]:
    """Returns the name of each subject's backend, with those settings that its runs differ in."""
    by_backend: dict[str, list[Mapping[str, str]]] = {}
    for subject in subjects:
        by_backend.setdefault(subject.backend, []).append(subject.settings)
    return [_variant(subject, by_backend[subject.backend]) for subject in subjects]


def _variant(subject: Subject, all_settings: Sequence[Mapping[str, str]]) -> str:
    names = sorted({name for settings in all_settings for name in settings} - LOCATION_SETTINGS)
    differing = [
        f"{name}={subject.settings.get(name, 'default')}"
        for name in names
        if len({settings.get(name) for settings in all_settings}) > 1
    ]
    name = display_name(subject.backend)
    return f"{name} ({', '.join(differing)})" if differing else name


def _system_prompt_name(text: str | None) -> str:
    if not text:
        return NO_SYSTEM_PROMPT
    return f"system prompt {hashlib.sha256(text.encode()).hexdigest()[:6]}"


def _shape(result: Result) -> str:
    load = result.load
    parts = [
        LOOPS[load.mode],
        f"{load.duration:g} s, of which {load.ramp:g} s are the ramp",
        {"generate": "/generate", "chat": "chat", "completions": "completions"}[load.protocol],
        f"{result.prompts.count} prompts from {result.prompts.source}",
        f"limits of {limits}" if (limits := limits_text(load.limits)) else "",
        "no limit of tokens" if load.max_tokens is None else f"at most {load.max_tokens} tokens",
        "end tokens ignored" if load.ignore_eos else "",
        "" if load.temperature is None else f"temperature {load.temperature:g}",
        f"{load.turns} turns" if load.turns > 1 else "",
        "" if result.client == "load" else f"measured by {result.client}",
    ]
    return ", ".join(part for part in parts if part)
