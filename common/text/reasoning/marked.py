"""Reasoning between two marks, at the start of an answer."""

from dataclasses import dataclass

from common.text.marks import first_mark
from common.text.reasoning.parser import ReasoningParser, Trimmed


@dataclass(frozen=True, slots=True)
class Marks:
    """The reasoning stands behind one of `starts`, up to one of `ends`.

    The answer may stand between marks of its own, which are not shown; `bare` stands before one
    without reasoning, where that is not the first of them.
    """

    starts: tuple[str, ...]
    ends: tuple[str, ...]
    answer: tuple[str, str] = ("", "")
    bare: str = ""

    @property
    def texts(self) -> tuple[str, ...]:
        """All marks."""
        return (*self.starts, *self.ends, *filter(None, (*self.answer, self.bare)))


class MarkedReasoningParser(ReasoningParser):
    """`begun` says whether the prompt ends in the reasoning, None where it says nothing.

    A mark that begins it once more is dropped. An answer that begins otherwise is shown as it is.
    """

    def __init__(self, marks: Marks, *, begun: bool | None) -> None:
        super().__init__()
        self._marks = marks
        self._begun = bool(begun)
        self._trimmed = Trimmed()
        self._state = self._behind if begun is False else self._start

    @property
    def ended(self) -> bool:
        return self._state == self._rest

    @property
    def thinking(self) -> bool | None:
        if self._state == self._start:
            return self._begun or None
        return self._state == self._inside

    def _start(self) -> bool:
        text = self._text.lstrip()
        for start in self._marks.starts:
            if text.startswith(start):
                self._text, self._state = text[len(start) :], self._inside
                self._reason("")
                return True
        if any(start.startswith(text) for start in self._marks.starts):
            return False
        self._state = self._inside if self._begun else self._behind
        return True

    def _inside(self) -> bool:
        place, end = first_mark(self._text, self._marks.ends)
        self._reason(self._trimmed.feed(self._take(place)))
        if end is None:
            return False
        self._take(len(end))
        self._trimmed, self._state = Trimmed(), self._space
        return True

    def _space(self) -> bool:
        """Drops blank text between reasoning and answer."""
        self._text = self._text.lstrip()
        if self._text:
            self._state = self._behind
        return bool(self._text)

    def _behind(self) -> bool:
        """Drops the mark that an answer may begin with."""
        begin, text = self._marks.answer[0], self._text.lstrip()
        if begin and text.startswith(begin):
            self._text, self._state = text[len(begin) :], self._marked
            return True
        if begin and begin.startswith(text):
            return False
        self._state = self._rest
        return True

    def _marked(self) -> bool:
        end = self._marks.answer[1]
        place, mark = first_mark(self._text, (end,))
        self._answer(self._trimmed.feed(self._take(place)))
        if mark is not None:
            self._take(len(end))
        return mark is not None

    def _rest(self) -> bool:
        self._answer(self._take(len(self._text)))
        return False

    def _end(self) -> None:
        if self._state == self._inside or (self._state == self._start and self._begun):
            self._reason(self._trimmed.feed(self._text))
        elif self._state == self._marked:
            self._answer(self._trimmed.feed(self._text))
        else:
            self._answer(self._text)
