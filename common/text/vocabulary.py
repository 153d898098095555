"""The token ids that an engine may be given: those that the model has an embedding for."""

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from common.errors import InvalidValue, StartError
from common.models.model import Model
from common.text.tokenizer import Tokenizer

SHOWN = 5
"""Tokens that the warning at start names."""

logger = logging.getLogger("bentoml.llm.vocabulary")


@dataclass(frozen=True)
class Vocabulary:
    """The ids 0 to `size` - 1. The tokenizer's, up to `tokenizer_size`, may be fewer or more.

    `special` are the ids of the tokens that no text shows, by their names.
    """

    size: int
    tokenizer_size: int
    special: Mapping[str, int] = field(default_factory=dict, compare=False)

    def special_ids(self, names: Iterable[str]) -> frozenset[int]:
        """Returns the ids of those texts that are the name of one special token of the model."""
        ids = (self.special[name] for name in names if name in self.special)
        return frozenset(token_id for token_id in ids if token_id < self.size)

    def check_prompt(self, ids: Collection[int], param: str) -> None:
        """Raises InvalidValue when the model lacks one of `ids`, none of which is negative."""
        largest = max(ids, default=0)
        if largest < self.size:
            return
        what = f"token id {largest} is not in the vocabulary"
        if largest < self.tokenizer_size:
            what = f"the prompt has token id {largest}, which the tokenizer has and the model lacks"
        raise InvalidValue(f"{what}; allowed are 0 to {self.size - 1}", param=param)

    def check_field(self, ids: Collection[int], param: str) -> None:
        """Checks like `check_prompt` the ids of another field, which may be negative."""
        for token_id in (min(ids, default=0), max(ids, default=0)):
            if not 0 <= token_id < self.size:
                raise InvalidValue(
                    f"{param} has {token_id}; allowed are token ids 0 to {self.size - 1}",
                    param=param,
                )


def open_vocabulary(model: Model, tokenizer: Tokenizer) -> Vocabulary:
    """Returns the model's vocabulary, the tokenizer's where the config names no size.

    Warns of tokens that the model lacks. Raises StartError when the tokenizer's end token is one.
    """
    size = model.vocab_size or tokenizer.vocab_size
    vocabulary = Vocabulary(size, tokenizer.vocab_size, tokenizer.special_ids)
    if size >= tokenizer.vocab_size:
        return vocabulary
    tokens = tokenizer.fast.get_vocab(with_added_tokens=True)
    end = tokens.get(tokenizer.special_tokens.get("eos_token", ""), 0)
    if end >= size:
        # Engines read it from the same files and use it without looking whether the model has it.
        raise StartError(
            f"the tokenizer's eos_token is token id {end}, which the model in {model.path} lacks: "
            f"its vocab_size is {size}; change eos_token in tokenizer_config.json, or resize the "
            "model's embedding to its tokenizer"
        )
    missing = sorted((token_id, text) for text, token_id in tokens.items() if token_id >= size)
    shown = ", ".join(f"{text!r} ({token_id})" for token_id, text in missing[:SHOWN])
    logger.warning(
        "the tokenizer has %d token%s that the model lacks, whose vocab_size is %d: %s%s; "
        "prompts that hold one are refused",
        len(missing),
        "" if len(missing) == 1 else "s",
        size,
        shown,
        " …" if len(missing) > SHOWN else "",
    )
    return vocabulary
