"""Calls that are JSON objects with a name and arguments, alone or in a list."""

import re
from dataclasses import dataclass

from common.call_grammar import CallGrammar, CallText
from common.text.marks import first_mark
from common.text.tool_calls.documents import call_document, call_list
from common.text.tool_calls.format import CallFormat
from common.text.tool_calls.heads import match_head, may_become_head, parse_call
from common.text.tool_calls.parser import ExpectedCalls, Schemas, ToolCallParser
from common.text.tool_calls.scanner import BracketScanner

PUNCTUATION = " \t\r\n[],;"
"""Stands around the objects."""
BRACKETS = re.compile(r"[\[\],;]")
OTHER_ORDER = '{"parameters"'
"""Begins a call whose name stands behind its arguments, but for spaces."""
WINDOW = 24
"""Characters in which it has to stand, with its spaces."""


@dataclass(frozen=True)
class ObjectFormat(CallFormat):
    """Calls stand behind one of `begins`, up to `end` where that is not empty.

    Without `begins` an answer has to begin with them, and the first text behind them is the rest.
    A model writes the `keys`; `space` stands between them and the marks.
    """

    begins: tuple[str, ...] = ()
    end: str = ""
    keys: tuple[str, str] = ("name", "arguments")
    space: str = ""
    listed: bool = False
    short_ids: bool = False

    def parser(self, expected: ExpectedCalls) -> ToolCallParser:
        return ObjectParser(expected, self)

    def grammar(self, schemas: Schemas, *, forced: bool, several: bool) -> CallGrammar | None:
        if not self.begins and not forced:
            return None
        begin = f"{self.begins[0]}{self.space}" if self.begins else ""
        end = f"{self.space}{self.end}" if self.end else ""
        marker = None if forced else self.begins[0]
        if self.listed:
            document = call_list(schemas, self.keys, several=several)
            return CallGrammar((CallText(begin, document, end, spaced=True),), "", False, marker)
        calls = [
            CallText(begin, call_document(name, schema, self.keys), end)
            for name, schema in schemas.items()
        ]
        # A template without marks takes one call in a message.
        return CallGrammar(tuple(calls), "\n", several and bool(self.begins), marker)


class ObjectParser(ToolCallParser):
    """Arguments are passed on as they come where the name stands before them.

    An object that is no call of a known tool is text. Marks around calls are dropped, and so are
    the brackets of their list.
    """

    def __init__(self, expected: ExpectedCalls, form: ObjectFormat) -> None:
        super().__init__(expected, short_ids=form.short_ids)
        self._form = form
        self._marks = tuple(filter(None, (form.end, *form.begins)))
        self._longest = max(map(len, self._marks), default=0)
        self._other = self._outside if form.begins else self._rest
        self._state = self._outside if form.begins else self._between
        self._unshown = ""
        self._called = False
        self._scanner = BracketScanner()
        self._whole = False
        self._scanned = 0

    def _outside(self) -> bool:
        """Drops the end mark of a call that has text behind it."""
        marks = self._marks if self._called else self._form.begins
        place, mark = first_mark(self._text, marks)
        self._show(self._take(place))
        if mark is not None:
            self._at_mark(mark)
        return mark is not None

    def _at_mark(self, mark: str) -> None:
        self._take(len(mark))
        if mark == self._form.end:
            if not self._called:
                self._show(self._unshown + mark)
            self._unshown, self._called, self._state = "", False, self._outside
            return
        if not self._called:
            self._show(self._unshown)
        self._unshown, self._called, self._state = mark, False, self._between

    def _between(self) -> bool:
        """Behind a mark or a call: where the next object may begin."""
        text = self._text
        for place, sign in enumerate(text):
            mark = next((mark for mark in self._marks if text.startswith(mark, place)), None)
            waits = len(text) - place < self._longest and any(
                mark.startswith(text[place:]) for mark in self._marks
            )
            if mark is None and not waits and sign in PUNCTUATION:
                continue
            self._unshown += self._take(place)
            if mark is not None:
                self._at_mark(mark)
            elif not waits:
                self._at_sign(sign)
            return mark is not None or not waits
        self._unshown += self._take(len(text))
        return False

    def _at_sign(self, sign: str) -> None:
        if sign == "{":
            self._state = self._object
        else:
            self._show_unshown()
            self._state = self._other

    def _show_unshown(self) -> None:
        """Shows what has turned out to be no part of a call."""
        shown, self._unshown = self._unshown, ""
        self._show(BRACKETS.sub("", shown) if self._called else shown)

    def _object(self) -> bool:
        if not self._whole:
            head = match_head(self._text, self._expected.schemas)
            if head is not None:
                name, start = head
                self._take(start)
                self._begin(name)
                self._scanner, self._state = BracketScanner(), self._arguments
                return True
            if may_become_head(self._text, self._expected.schemas):
                return False
            if not self._form.begins and not self._has_other_order():
                return self._state != self._object
            self._scanner, self._whole, self._scanned = BracketScanner(), True, 0
        end = self._scanner.feed(self._text[self._scanned :])
        if end is None:
            self._scanned = len(self._text)
            return False
        self._whole, self._state = False, self._between
        self._whole_object(self._scanned + end)
        return True

    def _has_other_order(self) -> bool:
        """Returns whether the arguments stand first. Where they cannot, all that follows is text.

        Without a mark only such an object is held back until it has ended.
        """
        squeezed = "".join(self._text[:WINDOW].split())
        if squeezed.startswith(OTHER_ORDER):
            return True
        if len(self._text) >= WINDOW or not OTHER_ORDER.startswith(squeezed):
            self._show_unshown()
            self._state = self._other
        return False

    def _whole_object(self, end: int) -> None:
        bare = bool(self._form.begins)
        call = parse_call(self._text[:end], self._expected.schemas, bare=bare)
        if call is not None:
            self._take(end)
            self._begin(*call)
            return
        self._show_unshown()
        if bare:
            self._show(self._take(end))
        else:
            self._state = self._other

    def _begin(self, name: str, arguments: str = "") -> None:
        self._begin_call(name, arguments)
        self._unshown, self._called = "", True

    def _arguments(self) -> bool:
        ended = self._take_arguments(self._scanner.feed(self._text))
        if ended:
            self._state = self._behind
        return ended

    def _behind(self) -> bool:
        """Drops the bracket that closes the call."""
        self._text = self._text.lstrip()
        if not self._text:
            return False
        if self._text[0] == ",":
            self._scanner, self._state = BracketScanner(depth=1), self._members
            return True
        if self._text[0] == "}":
            self._take(1)
        self._state = self._between
        return True

    def _members(self) -> bool:
        """Drops what a call has behind its arguments."""
        end = self._scanner.feed(self._text)
        self._take(len(self._text) if end is None else end)
        if end is not None:
            self._state = self._between
        return end is not None

    def _rest(self) -> bool:
        self._show(self._take(len(self._text)))
        return False

    def _end(self) -> None:
        if self._state in (self._arguments, self._behind, self._members):
            return
        if self._called and any(mark.startswith(self._text) for mark in self._marks):
            return
        self._show_unshown()
        self._show(self._text)
