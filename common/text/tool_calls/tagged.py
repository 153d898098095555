"""Calls whose arguments stand in tags; the tool's schema says of which type each is."""

import json
import re
from dataclasses import dataclass

from common.text.marks import first_mark, without_hidden
from common.text.tool_calls.arguments import argument_types, json_text, typed
from common.text.tool_calls.format import CallFormat
from common.text.tool_calls.heads import Atom, begun
from common.text.tool_calls.parser import ExpectedCalls, ToolCallParser

NAME = re.compile(r"[^\s<]+")
"""A name that has no mark behind it."""


@dataclass(frozen=True)
class TaggedFormat(CallFormat):
    """`begin`, a name, arguments, `call_end`, `end`; without `call_end`, `end` ends the call.

    The name stands between the texts of `name`, of which both may be empty, each key between those
    of `key`, each value between those of `value`.
    """

    begin: str
    end: str
    name: tuple[str, str]
    key: tuple[str, str]
    value: tuple[str, str]
    call_end: str = ""

    @property
    def next(self) -> tuple[str, ...]:
        """What may stand behind a name or a value."""
        return tuple(filter(None, (self.key[0], self.call_end, self.end)))

    def parser(self, expected: ExpectedCalls) -> ToolCallParser:
        return TaggedParser(expected, self)


class TaggedParser(ToolCallParser):
    """A value ends where its end mark stands before a key or an end of the call, so that other
    marks in it are a part of it.

    Texts are passed on as they come, other values at their end.
    """

    def __init__(self, expected: ExpectedCalls, form: TaggedFormat) -> None:
        super().__init__(expected)
        self._form = form
        self._state = self._outside
        self._unshown = ""
        self._name = ""
        self._keys = 0
        self._types: set[str] = set()
        self._searched = 0
        self._value_end, self._value_end_begun = _value_ends(form)

    def _outside(self) -> bool:
        place, mark = first_mark(self._text, (self._form.begin,))
        self._show(self._take(place))
        if mark is not None:
            self._unshown, self._state = self._take(len(mark)), self._head
        return mark is not None

    def _head(self) -> bool:
        """Waits for the name of a known tool and what has to stand behind it."""
        name, rest = self._read_name()
        if name in self._expected.schemas and rest is not None:
            rest = rest.lstrip()
            if rest.startswith(self._form.next):
                self._text = rest
                self._begin(name)
                return True
            known = any(mark.startswith(rest) for mark in self._form.next)
        else:
            schemas = self._expected.schemas
            known = rest is None and any(each.startswith(name) for each in schemas)
        if not known:
            self._show(self._unshown)
            self._state = self._outside
        return not known

    def _read_name(self) -> tuple[str, str | None]:
        """Returns a name as far as it has come, and what is behind it, None while it may go on.

        A text that has none gives an empty name and an empty rest.
        """
        before, behind = self._form.name
        text = self._text.lstrip()
        if not text.startswith(before):
            return "", None if before.startswith(text) else ""
        text = text[len(before) :]
        if behind:
            place, mark = first_mark(text, (behind,))
            return text[:place], None if mark is None else text[place + len(mark) :]
        name = NAME.match(text)
        length = 0 if name is None else name.end()
        return text[:length], text[length:] if length < len(text) else None

    def _begin(self, name: str) -> None:
        self._begin_call(name, "{")
        self._name, self._keys, self._unshown = name, 0, ""
        self._state = self._between

    def _between(self) -> bool:
        """Behind the name or a value."""
        self._text = self._text.lstrip()
        place, mark = first_mark(self._text, self._form.next)
        junk = self._take(place)
        if junk.strip():
            self._show(junk)
        if mark is None:
            return False
        self._take(len(mark))
        if mark == self._form.key[0]:
            self._state = self._key
            return True
        self._add_arguments("}")
        self._state = self._outside if mark == self._form.end else self._behind
        return True

    def _behind(self) -> bool:
        """Behind a call: the end mark, or another call."""
        self._text = self._text.lstrip()
        if self._text.startswith(self._form.end):
            self._take(len(self._form.end))
            self._state = self._outside
        elif self._text.startswith(self._form.name[0]):
            self._state = self._head
        elif any(m.startswith(self._text) for m in (self._form.end, self._form.name[0])):
            return False
        else:
            self._state = self._outside
        return True

    def _key(self) -> bool:
        closed, opened = self._form.key[1], self._form.value[0]
        key, mark, rest = self._text.partition(closed)
        rest = rest.lstrip() if opened else rest
        if not mark or (opened.startswith(rest) and rest != opened):
            return False
        if not rest.startswith(opened):
            self._text, self._state = rest, self._between
            return True
        self._text = rest[len(opened) :]
        self._types = argument_types(self._expected.schemas[self._name], key.strip())
        separator = ", " if self._keys else ""
        self._add_arguments(f"{separator}{json.dumps(key.strip(), ensure_ascii=False)}: ")
        self._keys += 1
        self._state = self._value_start
        return True

    def _value_start(self) -> bool:
        """Drops the line's end that a value begins with."""
        if not self._text:
            return False
        if self._text[0] == "\n":
            self._take(1)
        if self._is_text:
            self._add_arguments('"')
        self._searched, self._state = 0, self._value
        return True

    @property
    def _is_text(self) -> bool:
        return self._types <= {"string"}

    def _value(self) -> bool:
        end = self._value_end.search(self._text, self._searched)
        if end is not None:
            self._add_value(self._take(end.start()))
            self._take(end.end() - end.start())
            self._state = self._between
            return True
        place = self._open_end()
        if self._is_text:
            self._add_arguments(json_text(without_hidden(self._take(place))))
            place = 0
        self._searched = place
        return False

    def _open_end(self) -> int:
        """Returns where the end of the value may have begun."""
        begun_end = self._value_end_begun.search(self._text, self._searched)
        return len(self._text) if begun_end is None else begun_end.start()

    def _add_value(self, text: str) -> None:
        text = without_hidden(text)
        if self._is_text:
            self._add_arguments(json_text(text) + '"')
        else:
            self._add_arguments(json.dumps(typed(text, self._types), ensure_ascii=False))

    def _end(self) -> None:
        if self._state == self._value:
            self._end_value()
        elif self._state == self._head:
            name, rest = self._read_name()
            if name in self._expected.schemas and rest is not None:
                self._begin(name)
            else:
                self._show(self._unshown + self._text)
        elif self._state == self._outside:
            self._show(self._text)

    def _end_value(self) -> None:
        """A value that was cut stops in the middle; one that has its end mark is whole."""
        place = self._open_end()
        held = self._text[place:]
        if any(mark in held for mark in (self._form.value[1], self._form.call_end) if mark):
            self._add_value(self._text[:place])
        elif self._is_text:
            self._add_arguments(json_text(without_hidden(self._text[:place])))
        elif "string" in self._types:
            self._add_arguments('"' + json_text(without_hidden(self._text[:place])))
        else:
            self._add_arguments(without_hidden(self._text[:place]))


def _value_ends(form: TaggedFormat) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Returns expressions of what ends a value, and of the beginning of that at a text's end."""
    ends = [(form.value[1], form.next)]
    if form.call_end:
        ends.append((form.call_end, (form.end,)))
    whole, parts = [], []
    for mark, following in ends:
        signs: list[Atom] = [re.escape(sign) for sign in mark]
        behind = "|".join(map(re.escape, following))
        whole.append(rf"{''.join(map(str, signs))}(?=\s*(?:{behind}))")
        parts.append(begun([*signs, r"\s*", following]))
    return (
        re.compile(rf"\n?(?:{'|'.join(whole)})"),
        re.compile(rf"\n?(?:{'|'.join(parts)})\Z"),
    )
