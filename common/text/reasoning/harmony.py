"""Reasoning in messages of their own, as gpt-oss writes them.

A message is a header, `<|message|>`, a text and a mark that ends it. The header names the channel:
what stands in `analysis` is reasoning, what stands in others is answer. A header that names a
function as the recipient begins a tool call.
"""

import re

from common.text.marks import first_mark
from common.text.reasoning.marked import Marks
from common.text.reasoning.parser import ReasoningParser, Trimmed

START, CHANNEL, MESSAGE = "<|start|>", "<|channel|>", "<|message|>"
END, CALL, RETURN = "<|end|>", "<|call|>", "<|return|>"
HEADER = (START, CHANNEL, MESSAGE, "to=")
"""What a header may begin with."""
ANALYSIS = f"{CHANNEL}analysis{MESSAGE}"
FINAL = f"{CHANNEL}final{MESSAGE}"
BETWEEN = "\n"
"""What parts the texts of two messages."""
RECIPIENT = re.compile(r"to=functions\.([\w.-]+)")
CALL_MARKS = ("\udffd", "\udffe", "\udfff")
"""Stand before a call's name, behind it, and behind its arguments, in the answer of a parser that
passes on calls. No text has such characters, and they stand for no token."""


class HarmonyParser(ReasoningParser):
    """Headers are not shown, but with marks those of calls where these are passed on. Text without
    a header is answer."""

    def __init__(self, marks: Marks, *, begun: bool | None) -> None:
        super().__init__()
        self._analysis = bool(begun)
        self._in_call = False
        self._texts = {True: Trimmed(), False: Trimmed()}
        self._state = self._between if begun is None else self._body

    @property
    def ended(self) -> bool:
        return False

    @property
    def thinking(self) -> bool | None:
        return self._analysis if self._state == self._body else None

    def _between(self) -> bool:
        text = self._text.lstrip()
        if text.startswith(HEADER):
            self._state = self._header
            return True
        if any(mark.startswith(text) for mark in HEADER):
            return False
        self._begin(analysis=False)
        return True

    def _header(self) -> bool:
        place = self._text.find(MESSAGE)
        if place < 0:
            return False
        header = self._take(place + len(MESSAGE))
        called = RECIPIENT.search(header) if self.passes_calls else None
        if called is not None:
            self._analysis, self._in_call, self._state = False, True, self._body
            self._answer(f"{CALL_MARKS[0]}{called[1]}{CALL_MARKS[1]}")
            return True
        channel = header.partition(CHANNEL)[2]
        self._begin(analysis=channel.startswith("analysis"))
        return True

    def _begin(self, *, analysis: bool) -> None:
        self._analysis, self._state = analysis, self._body
        self._texts[analysis].restart(BETWEEN)
        self._show("")

    def _body(self) -> bool:
        place, mark = first_mark(self._text, (END, CALL, RETURN, START))
        self._show(self._take(place))
        if mark is None:
            return False
        if mark != START:
            self._take(len(mark))
        if self._in_call:
            self._answer(CALL_MARKS[2])
        self._in_call, self._state = False, self._between
        return True

    def _show(self, text: str) -> None:
        if self._in_call:
            self._answer(text)
            return
        shown = self._texts[self._analysis].feed(text)
        if self._analysis:
            self._reason(shown)
        else:
            self._answer(shown)

    def _end(self) -> None:
        if self._state == self._body:
            self._show(self._text)
