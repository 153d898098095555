"""What the parsers of all formats share: text to show, and the parts of calls."""

import secrets
import string
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from common.text.marks import without_hidden

Schemas = Mapping[str, Mapping[str, Any]]
"""The tools that may be called: their names, and the schemas of their arguments."""
SHORT_ID = 9
"""Letters and digits of an id, where a format has short ones."""


@dataclass(frozen=True)
class ExpectedCalls:
    """What is looked for in an answer: calls of the tools of `schemas`, all or only the first.

    Where the answer consists of `only_calls`, by a grammar, there is no other text: the beginning
    of a call that was cut before its name is none either.
    """

    schemas: Schemas
    several: bool = True
    only_calls: bool = False


class CallPart(NamedTuple):
    """What is new in number `call`; the first part of a call has its id and name.

    The `arguments` of all parts together are JSON text, but where a model writes other text, or
    its answer is cut.
    """

    call: int
    arguments: str
    id: str | None = None
    name: str | None = None


class ToolCallParser(ABC):
    """Splits text into content, safe to show at once, and parts of tool calls.

    The result is the same however the text is cut into pieces, and nothing is taken back. Blank
    text between and after calls is not content, nor are marks of hidden tokens.
    """

    def __init__(self, expected: ExpectedCalls, *, short_ids: bool = False) -> None:
        self.calls = 0
        self._expected = expected
        self._short_ids = short_ids
        self._ids: set[str] = set()
        self._text = ""
        self._state: Callable[[], bool]
        self._content = ""
        self._parts: list[CallPart] = []
        self._blank: str | None = ""

    def feed(self, piece: str) -> tuple[str, list[CallPart]]:
        """Returns the content that is safe to show, and what is new in calls."""
        self._text += piece
        while self._state():
            pass
        return self._new()

    def finish(self) -> tuple[str, list[CallPart]]:
        """Returns the rest at the end of the answer. Text that is no call is content."""
        self._end()
        self._text = ""
        blank, self._blank = self._blank or "", None
        if not self.calls:
            self._content += blank
        return self._new()

    @abstractmethod
    def _end(self) -> None:
        """Take what `_text` holds at the end of the answer."""

    def _new(self) -> tuple[str, list[CallPart]]:
        content, parts = self._content, self._parts
        self._content, self._parts = "", []
        return "" if self._expected.only_calls else content, parts

    def _show(self, text: str) -> None:
        """Holds back blank text at the start and after a call: another call may follow."""
        text = without_hidden(text)
        if self._blank is None:
            self._content += text
            return
        self._blank += text
        if self._blank.strip():
            self._content += self._blank
            self._blank = None

    def _take(self, length: int) -> str:
        """Removes and returns the first characters of the text."""
        taken, self._text = self._text[:length], self._text[length:]
        return taken

    def _begin_call(self, name: str, arguments: str = "", own_id: str | None = None) -> None:
        """`own_id` is the one that the model has given the call."""
        self.calls += 1
        self._blank = ""
        if self._is_kept():
            call_id = own_id if own_id and own_id not in self._ids else self._new_id()
            self._ids.add(call_id)
            self._parts.append(CallPart(self.calls - 1, arguments, call_id, name))

    def _new_id(self) -> str:
        if self._short_ids:
            letters = string.ascii_letters + string.digits
            return "".join(secrets.choice(letters) for _ in range(SHORT_ID))
        return f"call_{uuid.uuid4().hex[:24]}"

    def _add_arguments(self, text: str) -> None:
        if text and self._is_kept():
            self._parts.append(CallPart(self.calls - 1, text))

    def _take_arguments(self, end: int | None) -> bool:
        """Moves the text up to `end`, all of it without one, to the arguments of the call. Returns
        whether these have ended."""
        self._add_arguments(self._take(len(self._text) if end is None else end))
        return end is not None

    def _is_kept(self) -> bool:
        return self._expected.several or self.calls == 1
