"""Speculative decoding as a setting: what drafts tokens for the model to check, and how many."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

Method = Literal["ngram", "draft", "eagle", "eagle3", "mtp"]
METHODS: tuple[Method, ...] = get_args(Method)
WITH_MODEL: tuple[Method, ...] = ("draft", "eagle", "eagle3")
"""Methods that draft with a model of their own; `mtp` has layers in the model itself."""
MOST_TOKENS = 16
PATTERN = rf"^(ngram|mtp|({'|'.join(WITH_MODEL)}):.+):([1-9]|1[0-6])$"
"""What `parse_speculative` accepts, for a JSON schema."""
FORMS = ", ".join(
    f"{method}:MODEL:TOKENS" if method in WITH_MODEL else f"{method}:TOKENS" for method in METHODS
)


@dataclass(frozen=True, slots=True)
class Speculative:
    """`tokens` are drafted at a time. `model` is a directory or a hub id, None for a method without
    a model of its own."""

    method: Method
    tokens: int
    model: str | None = None

    def __str__(self) -> str:
        return ":".join(filter(None, (self.method, self.model, str(self.tokens))))


def parse_speculative(value: Any) -> Any:
    """Returns what a text such as `ngram:4` or `draft:org/small:4` says. Raises ValueError."""
    if not isinstance(value, str):
        return value
    name, _, rest = value.partition(":")
    model, _, count = rest.rpartition(":")
    method = next((each for each in METHODS if each == name), None)
    if method is None or not rest or bool(model) != (method in WITH_MODEL):
        raise ValueError(f"allowed are {FORMS}")
    if not count.isdecimal() or not 1 <= int(count) <= MOST_TOKENS:
        raise ValueError(f"the tokens at the end are a number from 1 to {MOST_TOKENS}")
    return Speculative(method, int(count), model or None)
