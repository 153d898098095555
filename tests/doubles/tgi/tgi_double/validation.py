"""The router's own checks, in its order and words (router/src/validation.rs)."""

from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer

CHUNK = 1024
"""DEFAULT_GENERATION_LENGTH"""


class InferError(Exception):
    """An error event; `kind` is its `error_type`."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.event = {"error": message, "error_type": kind}


def refused(message: str) -> InferError:
    return InferError("validation", f"Input validation error: {message}")


@dataclass(frozen=True)
class Limits:
    max_total_tokens: int
    max_input_tokens: int
    max_stop_sequences: int
    max_top_n_tokens: int


@dataclass(frozen=True)
class Valid:
    """`max_new_tokens` of this turn, of all turns `max_total_new_tokens`."""

    input_ids: list[int]
    sampling: bool
    max_new_tokens: int
    max_total_new_tokens: int


def validate(
    inputs: str, parameters: dict[str, Any], tokenizer: Tokenizer, limits: Limits
) -> Valid:
    """Raises InferError."""
    check_parameters(parameters, limits)
    if not inputs:
        raise refused("`inputs` cannot be empty")
    truncate = parameters.get("truncate")
    if truncate is not None and not 0 < truncate <= limits.max_input_tokens:
        raise refused(
            "`truncate` must be strictly positive and less than "
            f"{limits.max_input_tokens}. Given: {truncate}"
        )
    ids = encode(inputs, truncate, tokenizer)
    requested = parameters.get("max_new_tokens")
    if requested is None:
        requested = max(limits.max_total_tokens - len(ids), 0)
    turn = min(requested, CHUNK)
    if len(ids) + turn > limits.max_total_tokens:
        raise refused(
            f"`inputs` tokens + `max_new_tokens` must be <= {limits.max_total_tokens}. "
            f"Given: {len(ids)} `inputs` tokens and {turn} `max_new_tokens`"
        )
    if len(ids) > limits.max_input_tokens:
        raise refused(
            f"`inputs` must have less than {limits.max_input_tokens} tokens. Given: {len(ids)}"
        )
    implied = ("temperature", "top_k", "top_p", "typical_p")
    sampling = parameters.get("do_sample", False) or any(
        parameters.get(name) is not None for name in implied
    )
    return Valid(ids, sampling, turn, requested)


def encode(inputs: str, truncate: int | None, tokenizer: Tokenizer) -> list[int]:
    """As the shards do: of what is cut off, special tokens that they add are no part."""
    if truncate is not None:
        tokenizer.enable_truncation(truncate, direction="left")
    ids: list[int] = tokenizer.encode(inputs, add_special_tokens=True).ids
    tokenizer.no_truncation()
    return ids


def check_parameters(parameters: dict[str, Any], limits: Limits) -> None:
    def given(name: str, default: float) -> float:
        value = parameters.get(name)
        return default if value is None else value

    stops = parameters.get("stop", [])
    top_n = given("top_n_tokens", 0)
    checks = (
        (given("temperature", 1) > 0, "`temperature` must be strictly positive"),
        (given("repetition_penalty", 1) > 0, "`repetition_penalty` must be strictly positive"),
        (
            -2 <= given("frequency_penalty", 0) <= 2,
            "`frequency_penalty` must be >= -2.0 and <= 2.0",
        ),
        (0 < given("top_p", 0.5) < 1, "`top_p` must be > 0.0 and < 1.0"),
        (0 < given("typical_p", 0.5) < 1, "`typical_p` must be > 0.0 and < 1.0"),
        (given("top_k", 1) > 0, "`top_k` must be strictly positive"),
        (given("max_new_tokens", 1) > 0, "`max_new_tokens` must be strictly positive"),
        (
            len(stops) <= limits.max_stop_sequences,
            f"`stop` supports up to {limits.max_stop_sequences} stop sequences. "
            f"Given: {len(stops)}",
        ),
        (
            top_n <= limits.max_top_n_tokens,
            f"`top_n_tokens` must be >= 0 and <= {limits.max_top_n_tokens}. Given: {top_n}",
        ),
    )
    for passed, message in checks:
        if not passed:
            raise refused(message)
