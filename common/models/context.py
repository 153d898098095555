"""How many tokens a model is for, by its config and by its tokenizer's."""

from collections.abc import Iterator, Mapping
from typing import Any

LIMITS = (
    "max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "max_sequence_length",
    "max_seq_length", "n_ctx",
)  # fmt: skip
"""The same number in the configs of different models."""
STRETCHED = ("linear", "dynamic", "ntk", "yarn", "deepseek_yarn")
"""Kinds of rope_scaling whose `factor` makes the context longer. With the others, such as llama3
and longrope, the config's limit has it in it already."""
NO_LIMIT = 10**9
"""Tokenizers without a limit write a number above it, such as 10**30."""


def context_length(text: Mapping[str, Any]) -> int | None:
    """Returns the tokens that the language model `text` is for, None where it does not say.

    A `model_max_length` beside max_position_embeddings is the longer context of Command-R.
    """
    limit = next((int(text[name]) for name in LIMITS if text.get(name)), None)
    longer = text.get("model_max_length")
    if isinstance(longer, int) and not isinstance(longer, bool) and 0 < longer < NO_LIMIT:
        limit = max(limit or 0, longer)
    return None if limit is None else max([limit, *_stretched(text, limit)])


def _stretched(text: Mapping[str, Any], limit: int) -> Iterator[int]:
    """Yields the contexts that rope_scaling stretches to: factor times the original one.

    Gemma 3's limit is the stretched one, whatever kind of scaling it names.
    """
    if str(text.get("model_type")).startswith("gemma3"):
        return
    for scaling in _scalings(text):
        factor = scaling.get("factor")
        if _kind(scaling) in STRETCHED and isinstance(factor, int | float):
            yield int(factor * (scaling.get("original_max_position_embeddings") or limit))


def rope_kinds(text: Mapping[str, Any]) -> set[str]:
    """Returns the kinds of rope_scaling of the language model `text`, such as "yarn"."""
    return {_kind(scaling) for scaling in _scalings(text)} - {"None"}


def _kind(scaling: Mapping[str, Any]) -> str:
    """Older configs write `type`."""
    return str(scaling.get("rope_type") or scaling.get("type"))


def _scalings(text: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yields the rope_scaling, or one for each kind of layer."""
    for name in ("rope_scaling", "rope_parameters"):
        scaling = text.get(name)
        if isinstance(scaling, dict):
            yield scaling
            yield from (each for each in scaling.values() if isinstance(each, dict))


def tokenizer_limit(config: Mapping[str, Any]) -> int | None:
    """Returns the `model_max_length` of a tokenizer's config, None where it names none."""
    limit = config.get("model_max_length")
    if not isinstance(limit, int | float) or isinstance(limit, bool):
        return None
    return int(limit) if 0 < limit < NO_LIMIT else None
