"""Calls in Python's notation: a list of functions with arguments by name."""

import ast
import json
import re
import warnings
from dataclasses import dataclass
from typing import Any

from common.text.marks import first_mark
from common.text.tool_calls.format import CallFormat
from common.text.tool_calls.parser import ExpectedCalls, ToolCallParser
from common.text.tool_calls.scanner import PYTHON, BracketScanner

NAME = re.compile(r"\s*([\w.-]*)")
ARGUMENT = re.compile(r"\s*(\w+\s*(=.*)?)?", re.DOTALL)
"""What the arguments of a call that was cut may begin with."""
WORDS = {"true": True, "false": False, "null": None}
MOST_TRIES = 64


@dataclass(frozen=True)
class PythonicFormat(CallFormat):
    """The list stands at the start of an answer, or behind `begin`; `end` may follow it."""

    begin: str = ""
    end: str = ""

    def parser(self, expected: ExpectedCalls) -> ToolCallParser:
        return PythonicParser(expected, self)


class PythonicParser(ToolCallParser):
    """A call is taken whole, at its last bracket. What does not become a call is text."""

    def __init__(self, expected: ExpectedCalls, form: PythonicFormat) -> None:
        super().__init__(expected)
        self._form = form
        self._state = self._start
        self._unshown = ""
        self._called = False
        self._name = ""
        self._scanner = BracketScanner(PYTHON, 1)
        self._scanned = 0

    def _start(self) -> bool:
        text = self._text.lstrip()
        if not text or (self._form.begin.startswith(text) and text != self._form.begin):
            return False
        self._state = self._open if text.startswith("[") else self._outside
        return True

    def _outside(self) -> bool:
        if not self._form.begin:
            self._show(self._take(len(self._text)))
            return False
        place, mark = first_mark(self._text, (self._form.begin,))
        self._show(self._take(place))
        if mark is not None:
            self._unshown, self._called = self._take(len(mark)), False
            self._state = self._open
        return mark is not None

    def _open(self) -> bool:
        """At the bracket that opens the list."""
        place = len(self._text) - len(self._text.lstrip())
        if place == len(self._text):
            return False
        if self._text[place] != "[":
            return self._leave()
        self._unshown += self._take(place + 1)
        self._state = self._head
        return True

    def _leave(self) -> bool:
        if not self._called:
            self._show(self._unshown)
        self._unshown, self._state = "", self._outside
        return True

    def _head(self) -> bool:
        """At the name of a call."""
        name = NAME.match(self._text)
        assert name is not None
        behind = self._text[name.end() :].lstrip()
        if not behind and any(known.startswith(name[1]) for known in self._expected.schemas):
            return False
        if not behind.startswith("(") or name[1] not in self._expected.schemas:
            return self._leave()
        self._unshown += self._take(len(self._text) - len(behind) + 1)
        self._name, self._state = name[1], self._arguments
        self._scanner, self._scanned = BracketScanner(PYTHON, 1), 0
        return True

    def _arguments(self) -> bool:
        end = self._scanner.feed(self._text[self._scanned :])
        if end is None:
            self._scanned = len(self._text)
            return False
        end += self._scanned
        arguments = None
        if self._text[end - 1 : end] == ")":
            arguments = read_arguments(self._text[: end - 1])
        if arguments is None:
            return self._leave()
        self._take(end)
        self._begin_call(self._name, arguments)
        self._unshown, self._called, self._state = "", True, self._behind
        return True

    def _behind(self) -> bool:
        """Behind a call: another one, or the end of the list."""
        self._text = self._text.lstrip()
        if not self._text:
            return False
        sign = self._text[0]
        if sign in ",]":
            self._take(1)
        self._state = {",": self._head, "]": self._closed}.get(sign, self._outside)
        return True

    def _closed(self) -> bool:
        text = self._text.lstrip()
        if self._form.end and self._form.end.startswith(text) and text != self._form.end:
            return False
        if self._form.end and text.startswith(self._form.end):
            self._text = text[len(self._form.end) :]
        self._state = self._outside
        return True

    def _end(self) -> None:
        if self._state == self._arguments and ARGUMENT.fullmatch(self._text):
            self._begin_call(self._name, _cut_arguments(self._text))
        elif self._state not in (self._behind, self._closed):
            self._leave()
            self._show(self._text)


def read_arguments(text: str) -> str | None:
    """Returns arguments by name as a JSON object, None for anything but literal values."""
    try:
        with warnings.catch_warnings(action="ignore"):
            call = ast.parse(f"f({text}\n)", mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args:
            return None
        values = {_name_of(each): _literal(each.value) for each in call.keywords}
        written = json.dumps(values, ensure_ascii=False, allow_nan=False)
        written.encode()
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        return None
    return written


def _name_of(argument: ast.keyword) -> str:
    """Raises ValueError for an argument without a name."""
    if argument.arg is None:
        raise ValueError("**")
    return argument.arg


class _JSONWords(ast.NodeTransformer):
    """Puts values in the place of the words of JSON, which models write in Python, too."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Constant(WORDS[node.id]) if node.id in WORDS else node


def _literal(node: ast.expr) -> Any:
    """Raises ValueError for what is no literal value."""
    return ast.literal_eval(_JSONWords().visit(node))


def _cut_arguments(text: str) -> str:
    """Returns the whole ones of arguments that were cut, as an object that is not closed."""
    end = len(text)
    for _ in range(MOST_TRIES):
        end = text.rfind(",", 0, end)
        if end < 0:
            break
        if (arguments := read_arguments(text[:end])) is not None:
            return arguments[:-1]
    return "{"
