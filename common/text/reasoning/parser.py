"""What all parsers of reasoning share: pieces of text in, reasoning and answer out."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple


class Split(NamedTuple):
    """New text of the reasoning, and of the answer behind it."""

    reasoning: str = ""
    text: str = ""


class Trimmed:
    """Takes a text in pieces and gives it without the blank text at its start and its end."""

    __slots__ = ("_begun", "_blank")

    def __init__(self) -> None:
        self._begun = False
        self._blank = ""

    def feed(self, piece: str) -> str:
        """Returns what is not at the end any more, nor at the start."""
        if not self._begun:
            piece = piece.lstrip()
            self._begun = bool(piece)
        kept = piece.rstrip()
        if not kept:
            self._blank += piece
            return ""
        blank, self._blank = self._blank, piece[len(kept) :]
        return blank + kept

    def restart(self, separator: str) -> None:
        """Begin another part, which `separator` parts from what came before."""
        self._blank = separator if self._begun else ""


class ReasoningParser(ABC):
    """Splits one answer. The result is the same however its text is cut into pieces.

    The reasoning has no blank text at its start and its end, nor has an answer behind reasoning at
    its start. `tokens` counts those up to the end of the reasoning, its marks among them. Where
    tool calls are looked for, it `passes_calls`.
    """

    def __init__(self) -> None:
        self.tokens = 0
        self.passes_calls = False
        self._text = ""
        self._state: Callable[[], bool]
        self._split = Split()
        self._undecided = 0
        self._thought = False

    @property
    @abstractmethod
    def ended(self) -> bool:
        """Whether all that comes is the answer, as it is."""

    @property
    @abstractmethod
    def thinking(self) -> bool | None:
        """Whether reasoning comes now; None while a mark may still be coming."""

    def feed(self, piece: str, tokens: int = 1) -> Split:
        """Returns what is known to be reasoning, and what is known to be answer."""
        self._thought = self.thinking is True
        self._text += piece
        while self._state():
            pass
        self._undecided += tokens
        if self._thought:
            self.tokens += self._undecided
        if self._thought or self.thinking is not None:
            self._undecided = 0
        return self._new()

    def finish(self) -> Split:
        """Returns the rest at the end of the answer."""
        self._end()
        self._text = ""
        return self._new()

    @abstractmethod
    def _end(self) -> None:
        """Take what `_text` holds at the end of the answer."""

    def _new(self) -> Split:
        split, self._split = self._split, Split()
        return split

    def _reason(self, text: str) -> None:
        self._thought = True
        self._split = Split(self._split.reasoning + text, self._split.text)

    def _answer(self, text: str) -> None:
        self._split = Split(self._split.reasoning, self._split.text + text)

    def _take(self, length: int) -> str:
        """Removes and returns the first characters of the text."""
        taken, self._text = self._text[:length], self._text[length:]
        return taken
