"""Prompts of an exact length in tokens, no two alike, nor for long at their beginning."""

import functools
import hashlib
import tomllib

from benchmarks.prompts.builtin import MATERIAL
from benchmarks.prompts.errors import BadPrompts
from benchmarks.prompts.tokens import Counter
from benchmarks.prompts.types import Prompt

FILLERS = (" a", " I", ",", " x", "!", " 7", "?", " be")
"""Of which one is one token more, whatever the tokenizer."""


def synthetic(tokens: int, count: int, seed: int, tokenizer: Counter) -> tuple[Prompt, ...]:
    """`count` of them. Raises BadPrompts when the tokenizer cannot be made to say `tokens`, or
    texts of so few tokens are equal: a prefix cache would answer them."""
    made = tuple(
        Prompt.of([_text(f"{seed}:{number}", tokens, tokenizer)]) for number in range(count)
    )
    different = len({prompt.id for prompt in made})
    if different < count:
        raise BadPrompts(
            f"synthetic:{tokens}: only {different} of {count} texts are different; ask for more "
            "tokens or fewer prompts"
        )
    return made


def _text(name: str, tokens: int, tokenizer: Counter) -> str:
    """Words up to the length, then fillers for what is lacking."""
    words: list[str] = []
    while (lacking := tokens - _count(words, tokenizer)) > 0:
        # Of these words each has up to three tokens in a small vocabulary, and one in a large.
        words += [_word(name, len(words) + place) for place in range(max(1, lacking // 3))]
    while _count(words, tokenizer) > tokens:
        words.pop()
    text, has = " ".join(words), _count(words, tokenizer)
    while has < tokens:
        longer = (text + filler for filler in FILLERS)
        text = next((each for each in longer if tokenizer(each) == has + 1), "")
        if not text:
            raise BadPrompts(f"synthetic:{tokens}: no text of exactly {tokens} tokens was found")
        has += 1
    return text


def _count(words: list[str], tokenizer: Counter) -> int:
    return tokenizer(" ".join(words)) if words else 0


@functools.cache
def _words() -> list[str]:
    words: list[str] = tomllib.loads(MATERIAL.read_text("utf-8"))["words"].split()
    return words


def _word(name: str, place: int) -> str:
    words = _words()
    digest = hashlib.sha256(f"{name}:{place}".encode()).digest()
    return words[int.from_bytes(digest[:4], "big") % len(words)]
