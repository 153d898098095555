"""Prompts of an exact length in tokens, no two of which begin alike."""

import functools
import hashlib
import tomllib

from benchmarks.prompts.builtin import MATERIAL
from benchmarks.prompts.prompt_set import BadPrompts, Prompt
from benchmarks.prompts.token_counts import TokenCounter

FILLERS = (" a", " I", ",", " x", "!", " 7", "?", " be")
"""One of them adds exactly one token, whatever the tokenizer."""


def synthetic(tokens: int, count: int, seed: int, tokenizer: TokenCounter) -> tuple[Prompt, ...]:
    """Returns `count` prompts of `tokens` tokens each.

    Raises BadPrompts when no text has exactly `tokens` tokens, or when texts of so few tokens are
    equal: a prefix cache would answer them.
    """
    prompts = tuple(
        Prompt.of([_text(f"{seed}:{number}", tokens, tokenizer)]) for number in range(count)
    )
    different = len({prompt.id for prompt in prompts})
    if different < count:
        raise BadPrompts(
            f"synthetic:{tokens}: only {different} of {count} texts are different; ask for more "
            "tokens or fewer prompts"
        )
    return prompts


def _text(name: str, tokens: int, tokenizer: TokenCounter) -> str:
    """Returns words up to the length, then fillers for the tokens that are missing."""
    words: list[str] = []
    while (missing := tokens - _count(words, tokenizer)) > 0:
        # Of these words each has up to three tokens in a small vocabulary, and one in a large.
        words += [_word(name, len(words) + index) for index in range(max(1, missing // 3))]
    while _count(words, tokenizer) > tokens:
        words.pop()
    text, length = " ".join(words), _count(words, tokenizer)
    while length < tokens:
        longer = (text + filler for filler in FILLERS)
        text = next((each for each in longer if tokenizer(each) == length + 1), "")
        if not text:
            raise BadPrompts(f"synthetic:{tokens}: no text of exactly {tokens} tokens was found")
        length += 1
    return text


def _count(words: list[str], tokenizer: TokenCounter) -> int:
    return tokenizer(" ".join(words)) if words else 0


@functools.cache
def material_words() -> list[str]:
    """Returns the words of which texts are made."""
    words: list[str] = tomllib.loads(MATERIAL.read_text("utf-8"))["words"].split()
    return words


def _word(name: str, index: int) -> str:
    words = material_words()
    digest = hashlib.sha256(f"{name}:{index}".encode()).digest()
    return words[int.from_bytes(digest[:4], "big") % len(words)]
