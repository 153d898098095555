"""Tool calls in generated text: found while it streams, in the two common formats.

hermes       <tool_call>{"name": …, "arguments": {…}}</tool_call>   (Hermes, Qwen, the demo model)
llama3_json  the whole answer is {"name": …, "parameters": {…}}     (Llama 3.1 and later)
"""

import json
import uuid
from typing import Any, NamedTuple

HERMES_START, HERMES_END = "<tool_call>", "</tool_call>"

FORCED_START = {"hermes": f"{HERMES_START}\n", "llama3_json": ""}
"""What the model has just said, when it is made to call a tool: its next token is the JSON."""


class ToolCallText(NamedTuple):
    """One complete call; `arguments` is JSON text, as OpenAI's clients want it."""

    id: str
    name: str
    arguments: str


def detect_format(template: str) -> str | None:
    """Returns the format that a chat template teaches, None when it knows no tools."""
    if "tools" not in template:
        return None
    if HERMES_START in template:
        return "hermes"
    return "llama3_json" if '"parameters"' in template else None


class ToolCallParser:
    """Splits text into content, safe to show at once, and complete tool calls.

    The result is the same however the text is cut into pieces. Blank text between and after calls
    is not content.
    """

    def __init__(self, form: str) -> None:
        self._hermes = form == "hermes"
        self._text = ""
        self._inside = False
        self._blank: str | None = ""
        self.calls = 0

    def feed(self, piece: str) -> tuple[str, list[ToolCallText]]:
        """Returns the content that is safe to show, and the calls that are complete now."""
        self._text += piece
        return self._feed_hermes() if self._hermes else self._feed_llama()

    def finish(self) -> tuple[str, list[ToolCallText]]:
        """Returns the rest at the end: a call if it is one, else text. Nothing is dropped."""
        rest, self._text = self._text, ""
        if self._inside or (not self._hermes and rest.lstrip().startswith("{")):
            call = _parse(rest.partition(HERMES_END)[0])
            if call is not None:
                self.calls += 1
                return "", [call]
            rest = (HERMES_START if self._inside else "") + rest
        self._inside = False
        shown = self._show(rest)
        blank, self._blank = self._blank or "", None
        return shown + ("" if self.calls else blank), []

    def _feed_hermes(self) -> tuple[str, list[ToolCallText]]:
        content = ""
        calls: list[ToolCallText] = []
        while True:
            marker = HERMES_END if self._inside else HERMES_START
            before, complete, after = self._text.partition(marker)
            if not complete:
                break
            self._text = after
            if not self._inside:
                content += self._show(before)
            elif (call := _parse(before)) is not None:
                calls.append(call)
                self._blank = ""
            else:
                content += self._show(HERMES_START + before + HERMES_END)
            self._inside = not self._inside
        if not self._inside:
            keep = _possible_start(self._text, HERMES_START)
            content += self._show(self._text[: len(self._text) - keep])
            self._text = self._text[len(self._text) - keep :]
        self.calls += len(calls)
        return content, calls

    def _feed_llama(self) -> tuple[str, list[ToolCallText]]:
        start = self._text.lstrip()
        if not start or start.startswith("{"):
            return "", []
        text, self._text = self._text, ""
        return self._show(text), []

    def _show(self, text: str) -> str:
        """Holds back blank text at the start and after a call: another call may follow."""
        if self._blank is None:
            return text
        self._blank += text
        if not self._blank.strip():
            return ""
        text, self._blank = self._blank, None
        return text


def _possible_start(text: str, marker: str) -> int:
    for length in range(min(len(marker) - 1, len(text)), 0, -1):
        if marker.startswith(text[len(text) - length :]):
            return length
    return 0


def _parse(text: str) -> ToolCallText | None:
    try:
        value: Any = json.loads(text)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return None
    arguments = value.get("arguments", value.get("parameters", {}))
    written = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return ToolCallText(f"call_{uuid.uuid4().hex[:24]}", value["name"], written)
