"""Calls that are a mark, a name, another mark and the arguments as a JSON object."""

import re
from dataclasses import dataclass

from common.call_grammar import CallGrammar, CallText
from common.text.marks import first_mark
from common.text.tool_calls.format import CallFormat
from common.text.tool_calls.parser import ExpectedCalls, Schemas, ToolCallParser
from common.text.tool_calls.scanner import BracketScanner

OWN_ID = re.compile(r"[\w.:-]{0,64}")


@dataclass(frozen=True)
class HeadedFormat(CallFormat):
    """`begin`, name, `arguments`, a JSON object, `ends`, of which a model may leave out some.

    All calls may stand in a `section`. An id of the call may stand behind `id_mark`. With `prefix`
    that stands before the name and the call's number behind it, and all three are the id.
    """

    begin: str
    arguments: str
    ends: tuple[str, ...] = ()
    section: tuple[str, str] = ("", "")
    id_mark: str = ""
    prefix: str = ""
    separator: str = ""
    short_ids: bool = False

    def parser(self, expected: ExpectedCalls) -> ToolCallParser:
        return HeadedParser(expected, self)

    def grammar(self, schemas: Schemas, *, forced: bool, several: bool) -> CallGrammar | None:
        end = "".join(self.ends)
        calls = []
        for name, schema in schemas.items():
            head = f"{self.begin}{self.prefix}{name}"
            if self.prefix:
                calls.append(CallText(f"{head}:", schema, end, numbered=self.arguments))
            else:
                calls.append(CallText(f"{head}{self.arguments}", schema, end))
        marker = None if forced else self.section[0] or self.begin
        return CallGrammar(tuple(calls), self.separator, several, marker, self.section)


class HeadedParser(ToolCallParser):
    """A call begins where its arguments do; what does not become one is text."""

    def __init__(self, expected: ExpectedCalls, form: HeadedFormat) -> None:
        super().__init__(expected, short_ids=form.short_ids)
        self._form = form
        self._begins = tuple(filter(None, (form.section[0], form.begin)))
        self._ends = tuple(filter(None, (*map(str.strip, form.ends), form.section[1])))
        self._state = self._outside
        self._unshown = ""
        self._called = False
        self._scanner = BracketScanner()

    def _outside(self) -> bool:
        place, mark = first_mark(self._text, self._begins)
        self._show(self._take(place))
        if mark is None:
            return False
        self._called = False
        self._at_mark(mark)
        return True

    def _at_mark(self, mark: str) -> None:
        self._unshown += self._take(len(mark))
        if self._called and mark in self._ends:
            self._unshown = ""
        self._state = self._head if mark == self._form.begin else self._between

    def _between(self) -> bool:
        """Behind the mark of a section or a call: where the next call may begin."""
        text = self._text.lstrip()
        self._unshown += self._take(len(self._text) - len(text))
        marks = (*self._begins, *self._ends)
        for mark in marks:
            if text.startswith(mark):
                self._at_mark(mark)
                return True
        if any(mark.startswith(text) for mark in marks):
            return False
        self._show_unshown()
        return True

    def _show_unshown(self) -> None:
        """Shows what has turned out to be no part of a call."""
        self._show(self._unshown)
        self._unshown = ""
        self._state = self._outside

    def _head(self) -> bool:
        marks = tuple(filter(None, (self._form.arguments, self._form.id_mark)))
        place, mark = first_mark(self._text, marks)
        written = self._text[:place].strip()
        name = written.removeprefix(self._form.prefix)
        own_id = ""
        if self._form.prefix:
            name, numbered, _ = name.partition(":")
            own_id = written if numbered else ""
        if mark is None:
            return self._wait_or_leave(self._may_become(name, written, own_id))
        if mark == self._form.id_mark:
            begin = place + len(mark)
            place, mark = first_mark(self._text[begin:], (self._form.arguments,))
            own_id, place = self._text[begin:][:place], begin + place
        if name not in self._expected.schemas or not OWN_ID.fullmatch(own_id):
            return self._wait_or_leave(False)
        if mark is None:
            return False
        return self._begin(name, own_id, self._text[place + len(mark) :].lstrip())

    def _may_become(self, name: str, written: str, own_id: str) -> bool:
        """Returns whether a known name may still come of what is written behind the mark."""
        if own_id:
            return name in self._expected.schemas and OWN_ID.fullmatch(own_id) is not None
        known = any(each.startswith(name) for each in self._expected.schemas)
        return known or self._form.prefix.startswith(written)

    def _wait_or_leave(self, waits: bool) -> bool:
        if not waits:
            self._show_unshown()
        return not waits

    def _begin(self, name: str, own_id: str, rest: str) -> bool:
        """`rest` begins with an object, or a call without arguments ends."""
        if rest.startswith("{"):
            self._begin_call(name, "", own_id)
            self._text, self._state = rest, self._arguments
            self._scanner = BracketScanner()
        elif any(rest.startswith(end) for end in self._ends):
            self._begin_call(name, "{}", own_id)
            self._text, self._state = rest, self._between
        else:
            return self._wait_or_leave(any(end.startswith(rest) for end in ("{", *self._ends)))
        self._unshown, self._called = "", True
        return True

    def _arguments(self) -> bool:
        ended = self._take_arguments(self._scanner.feed(self._text))
        if ended:
            self._state = self._between
        return ended

    def _end(self) -> None:
        if self._state == self._arguments:
            return
        marks = (*self._begins, *self._ends)
        if self._state != self._between or not any(m.startswith(self._text) for m in marks):
            self._show_unshown()
            self._show(self._text)
        elif not self._called:
            self._show(self._unshown + self._text)
