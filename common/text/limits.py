"""How few tokens a text can have, told by its characters, before it is tokenized.

No token stands for more characters than the longest entry of the vocabulary, unless the tokenizer
drops characters or makes one unknown token of many. What is not known to keep them is taken to
drop them, and then no text is too long by its characters.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer as FastTokenizer

from common.errors import ContextLengthExceeded
from common.text.token_texts import byte_alphabet, steps

Part = Mapping[str, Any]

COMPOSED = 4
"""Code points that NFC or NFKC make one of, at most: as many as NFD makes of one (UAX #15,
Unicode Normalization Forms, table "Maximum Expansion Factors", NFD in UTF-32)."""
WHITE_SPACE = "".join(filter(str.isspace, map(chr, range(0x3001))))
"""More than what `tokenizers` takes for white space, and all of it."""
DROPPING_WHITE_SPACE = {"BertPreTokenizer", "Strip", "Whitespace", "WhitespaceSplit"}
KEEPING_LENGTH = {"ByteLevel", "Lowercase", "NFD", "NFKD", "Prepend", "Strip"}
"""Normalizers that make at least one character of each, but for white space."""
SPLITTING = {
    "BertPreTokenizer", "ByteLevel", "Digits", "Metaspace", "Punctuation", "Split",
    "Whitespace", "WhitespaceSplit",
}  # fmt: skip
"""Pre-tokenizers that drop nothing but white space, unless their `behavior` is Removed."""


@dataclass(frozen=True)
class CharacterBound:
    """Characters that one token stands for at most, 0 where there is no such number.

    `ascii` is for texts of ASCII alone. With `drops_white_space` only other characters count.
    """

    ascii: int
    other: int
    drops_white_space: bool

    def least_tokens(self, text: str) -> int:
        """Returns a number that the tokens of `text` are never below, 0 where nothing is known."""
        longest = self.ascii if text.isascii() else self.other
        if not longest:
            return 0
        characters = len(text)
        if self.drops_white_space:
            characters -= sum(map(text.count, WHITE_SPACE))
        return -(-characters // longest)

    def check(self, text: str, max_model_len: int, param: str) -> None:
        """Raises ContextLengthExceeded for a text that leaves no token for an answer."""
        least = self.least_tokens(text)
        if least >= max_model_len:
            raise ContextLengthExceeded.of(
                max_model_len, f"the prompt has at least {least} tokens; shorten it", param
            )


def character_bound(tokenizer: FastTokenizer) -> CharacterBound:
    """Returns what can be proved of a tokenizer that neither truncates nor pads."""
    written: dict[str, Any] = json.loads(tokenizer.to_str())
    normalizer, splitter = written["normalizer"], written["pre_tokenizer"]
    entries = tokenizer.get_vocab(with_added_tokens=False)
    kinds = {step["type"] for part in (normalizer, splitter) for step in steps(part)}
    drops = bool(kinds & DROPPING_WHITE_SPACE) or any(
        token["lstrip"] or token["rstrip"] for token in written["added_tokens"]
    )
    if not (
        _keeps_split(splitter)
        and _keeps_processed(written["post_processor"])
        and _covers(written["model"], entries, splitter)
    ):
        return CharacterBound(0, 0, drops)
    added = [token["content"] for token in written["added_tokens"]]
    if tokenizer.normalizer is not None:
        added += [tokenizer.normalizer.normalize_str(text) for text in added]
    longest = max(map(len, [*entries, *added]), default=0)
    composes_only = normalizer is not None and normalizer["type"] in ("NFC", "NFKC")
    other = longest * _shrinking(normalizer)
    return CharacterBound(longest if composes_only else other, other, drops)


def _shrinking(normalizer: Part | None) -> int:
    """Returns how many characters become one at most; 0 where text can vanish."""
    return math.prod(map(_step_shrinking, steps(normalizer)))


def _step_shrinking(step: Part) -> int:
    match step:
        case {"type": "NFC" | "NFKC"}:
            return COMPOSED
        case {"type": "Replace", "pattern": {"String": old}, "content": new}:
            # White space put in the place of other characters might be dropped later.
            lost = not old or not new or any(map(str.isspace, new))
            return 0 if lost else math.ceil(len(old) / len(new))
        case {"type": kind} if kind in KEEPING_LENGTH:
            return 1
    return 0


def _keeps_split(splitter: Part | None) -> bool:
    return all(
        step["type"] in SPLITTING and step.get("behavior") != "Removed" for step in steps(splitter)
    )


def _keeps_processed(processor: Part | None) -> bool:
    """A template may leave the text itself out."""
    return all(
        any("Sequence" in piece for piece in step.get("single", [{"Sequence": {}}]))
        for step in steps(processor)
    )


def _covers(model: Part, entries: Mapping[str, int], splitter: Part | None) -> bool:
    """Returns whether the model drops no character and makes no unknown token of several."""
    bytes_spelt = model.get("byte_fallback") and all(
        f"<0x{byte:02X}>" in entries for byte in range(256)
    )
    if model["type"] == "Unigram":
        return bool(bytes_spelt)
    if model["type"] != "BPE" or model["continuing_subword_prefix"] or model["end_of_word_suffix"]:
        return False
    byte_level = any(step["type"] == "ByteLevel" for step in steps(splitter))
    return bool(
        bytes_spelt
        or (byte_level and all(character in entries for character in byte_alphabet()))
        or (model["unk_token"] is not None and not model["fuse_unk"])
    )
