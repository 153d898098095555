"""The form in which a chat template takes messages, found out by rendering short conversations.

The API has one form of a message, templates have several: content as text or as a list of parts,
the arguments of a tool call as an object or as JSON text, the content beside tool calls empty or
null, ids of tool calls of any length or of nine characters.
"""

import hashlib
import itertools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

Message = Mapping[str, Any]
Render = Callable[[Sequence[Message]], str | None]
"""Returns the text of a conversation, None where the template refuses it."""

MARK = "Zqxj7kvw"
"""A word that stands in no template; special to neither JSON nor Python."""
FUNCTION = "vbwfnjyq"
"""A name of a function, as rare."""
RAW_PART = re.compile(rf"""["']text\\?["']\s*:\s*\\?["']{MARK}""")
"""A list of parts that a template writes as such, instead of reading it."""
RAW_ARGUMENTS = re.compile(rf"""'place'\s*:\s*'{MARK}|\\"place\\""")
"""Arguments in Python's notation, or JSON in a JSON string."""
SHORT_ID = 9
"""Characters of the ids of tool calls, letters and digits, where templates insist on them."""
LONG_CALL_ID, SHORT_CALL_ID = "call_0123456789", "a1b2c3d4e"
QUESTION = "Hello"


@dataclass(frozen=True)
class MessageForm:
    """`lists` are the roles whose lists of parts the template reads, `only_lists` those whose text
    it reads in no other form, `silent` those whose text it shows in no form."""

    lists: frozenset[str] = frozenset()
    only_lists: frozenset[str] = frozenset()
    silent: frozenset[str] = frozenset()
    null_content: bool = False
    arguments_as_text: bool = False
    short_ids: bool = False

    def convert(self, message: Message) -> dict[str, Any]:
        """Returns a message of the API as the template takes it."""
        converted = {name: value for name, value in message.items() if value is not None}
        converted["content"] = self._content(message)
        if "tool_call_id" in converted:
            converted["tool_call_id"] = self._id(converted["tool_call_id"])
        if "tool_calls" in converted:
            converted["tool_calls"] = [self._call(call) for call in converted["tool_calls"]]
        return converted

    def _content(self, message: Message) -> Any:
        role, content = message["role"], message.get("content")
        if content is None:
            if self.null_content and message.get("tool_calls"):
                return None
            return [] if role in self.only_lists else ""
        if isinstance(content, str):
            return [{"type": "text", "text": content}] if role in self.only_lists else content
        return content if role in self.lists else joined(content)

    def _call(self, call: Mapping[str, Any]) -> dict[str, Any]:
        """Returns a call; one without a function, as only files of texts may have it, as it is."""
        if not isinstance(call.get("function"), Mapping):
            return dict(call)
        function = dict(call["function"])
        arguments = function.get("arguments")
        if self.arguments_as_text and not isinstance(arguments, str):
            function["arguments"] = json.dumps(arguments, ensure_ascii=False)
        elif not self.arguments_as_text and isinstance(arguments, str):
            function["arguments"] = _object(arguments)
        converted = {**call, "function": function}
        return converted if call.get("id") is None else {**converted, "id": self._id(call["id"])}

    def _id(self, call_id: str) -> str:
        if not self.short_ids or (len(call_id) == SHORT_ID and call_id.isalnum()):
            return call_id
        return hashlib.sha256(call_id.encode()).hexdigest()[:SHORT_ID]


def joined(parts: Sequence[Any]) -> str:
    """Returns the text of a list of parts."""
    return "".join(str(part.get("text") or "") for part in parts if isinstance(part, Mapping))


def find_form(render: Render) -> MessageForm:
    """Returns the form that a template takes. `render` renders without any conversion."""
    in_parts = not _shows(render, [_user(MARK)]) and _shows(render, [_user(_parts(MARK))])
    asked = _user(_parts(QUESTION) if in_parts else QUESTION)
    calls = _call_form(render, asked)
    lists, only_lists, silent = set(), set(), set()
    for role, conversation in _CONVERSATIONS.items():
        as_text = _shows(render, conversation(asked, MARK, calls))
        as_parts = _shows(render, conversation(asked, _parts(MARK), calls))
        if as_parts:
            lists.add(role)
            if not as_text:
                only_lists.add(role)
        elif not as_text:
            silent.add(role)
    return replace(
        calls,
        lists=frozenset(lists),
        only_lists=frozenset(only_lists),
        silent=frozenset(silent),
    )


def _call_form(render: Render, asked: Message) -> MessageForm:
    """Returns the form of messages with tool calls: one in which the template shows a call with its
    arguments, else one in which it shows the name."""
    texts = [(form, render(_with_call(asked, form))) for form in _CALL_FORMS]
    shown = [
        (form, text)
        for form, text in texts
        if text is not None and FUNCTION in text and not RAW_ARGUMENTS.search(text)
    ]
    whole = [form for form, text in shown if MARK in text]
    return next(iter([*whole, *(form for form, _ in shown)]), MessageForm())


_CALL_FORMS = [
    MessageForm(null_content=null, arguments_as_text=as_text, short_ids=short)
    for short, as_text, null in itertools.product((False, True), repeat=3)
]


def _shows(render: Render, messages: Sequence[Message]) -> bool:
    """Returns whether the mark is in the text, and not in a list of parts that stands there."""
    text = render(messages)
    return text is not None and MARK in text and not RAW_PART.search(text)


def _with_call(
    asked: Message, form: MessageForm, result: Any = "18", place: str = MARK
) -> list[Message]:
    """Returns a conversation with a tool call and its result, in a form."""
    arguments: Any = {"place": place}
    call_id = SHORT_CALL_ID if form.short_ids else LONG_CALL_ID
    function = {
        "name": FUNCTION,
        "arguments": json.dumps(arguments) if form.arguments_as_text else arguments,
    }
    calls = [{"id": call_id, "type": "function", "function": function}]
    content = None if form.null_content else ""
    return [
        asked,
        {"role": "assistant", "content": content, "tool_calls": calls},
        {"role": "tool", "tool_call_id": call_id, "name": "weather", "content": result},
    ]


_CONVERSATIONS: Mapping[str, Callable[[Message, Any, MessageForm], Sequence[Message]]] = {
    "system": lambda asked, content, form: [{"role": "system", "content": content}, asked],
    "user": lambda asked, content, form: [_user(content)],
    "assistant": lambda asked, content, form: [
        asked,
        {"role": "assistant", "content": content},
        asked,
    ],
    "tool": lambda asked, content, form: _with_call(asked, form, content, "Rome"),
}
"""By role, a conversation with a message of this content."""


def _user(content: Any) -> Message:
    return {"role": "user", "content": content}


def _parts(text: str) -> list[Mapping[str, str]]:
    return [{"type": "text", "text": text}]


def _object(text: str) -> Any:
    """Returns an object where the text is JSON that can be written again, else the text."""
    try:
        value = json.loads(text)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return text
    return value
