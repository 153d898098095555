"""Marks in a text that comes in pieces, and characters that stand for tokens which it lacks."""

import re
from collections.abc import Mapping, Sequence

HIDDEN = range(0xD800, 0xDF00)
"""Surrogates stand for hidden tokens: text that was decoded from bytes never has one."""
SURROGATE = re.compile("[\ud800-\udfff]")


class HiddenTokens:
    """Special tokens whose texts an answer lacks, each with the character that stands for it.

    `tokens` are their texts by token id.
    """

    __slots__ = ("_longest_first", "marks")

    def __init__(self, tokens: Mapping[int, str]) -> None:
        self.marks = dict(zip(tokens, map(chr, HIDDEN), strict=False))
        """By token id."""
        pairs = [(tokens[token_id], mark) for token_id, mark in self.marks.items()]
        self._longest_first = sorted(pairs, key=lambda pair: -len(pair[0]))

    def encode(self, text: str) -> str:
        """Returns the text with characters for the tokens in it."""
        for token, mark in self._longest_first:
            text = text.replace(token, mark)
        return text


NONE_HIDDEN = HiddenTokens({})


def without_hidden(text: str) -> str:
    """Returns the text without the characters that stand for tokens."""
    return SURROGATE.sub("", text)


def tokens_in(texts: Sequence[str], tokens: Mapping[int, str]) -> dict[int, str]:
    """Returns those of `tokens`, texts by id, that are a part of one of `texts`."""
    return {token_id: token for token_id, token in tokens.items() if any(token in t for t in texts)}


def first_mark(text: str, marks: Sequence[str]) -> tuple[int, str | None]:
    """Returns where the first of the marks begins, and which it is.

    Without one, None and how much of the text can be no part of a mark.
    """
    places = [(place, mark) for mark in marks if (place := text.find(mark)) >= 0]
    if places:
        return min(places)
    longest = max(map(len, marks)) - 1
    for place in range(max(0, len(text) - longest), len(text)):
        if any(mark.startswith(text[place:]) for mark in marks):
            return place, None
    return len(text), None
