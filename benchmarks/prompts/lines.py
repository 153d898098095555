"""Prompts from files of the shapes in which they are found."""

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.prompts.errors import BadPrompts
from benchmarks.prompts.types import Prompt

SHAPES = (
    '{"prompt"}, {"text"}, {"instruction", "context"}, {"turns"}, {"messages"} or {"conversations"}'
)
HUMAN = ("human", "user")
NAMED = 5
"""Bad lines that are told one by one."""


@dataclass
class Found:
    """`troubles` are lines, each with its number in the file."""

    prompts: list[Prompt] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    @property
    def skipped(self) -> int:
        return len(self.troubles)

    @property
    def first_trouble(self) -> str:
        return f": {self.troubles[0]}" if self.troubles else ""


def read_lines(path: Path) -> Found:
    """A JSON Lines file. What is wrong in it is told on standard error. Raises BadPrompts."""
    # JSON may have what else str.splitlines() takes for an end of line.
    lines = _read(path).split("\n")
    rows = ((f"line {n}", text) for n, text in enumerate(lines, 1) if text.strip())
    return _collect(path, ((where, _json(text)) for where, text in rows))


def read_sharegpt(path: Path) -> Found:
    """A JSON array of conversations, or JSON Lines of them. Raises BadPrompts."""
    text = _read(path)
    if not text.lstrip().startswith("["):
        return read_lines(path)
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadPrompts(f"{path} is not JSON: {error}") from None
    return _collect(path, ((f"entry {n}", row) for n, row in enumerate(rows, 1)))


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise BadPrompts(f"prompts {path}: {reason}") from None


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _collect(path: Path, rows: Iterable[tuple[str, Any]]) -> Found:
    found = Found()
    for where, row in rows:
        try:
            found.prompts.append(_prompt(row))
        except BadPrompts as error:
            found.troubles.append(f"{where} {error}")
    _tell(path, found)
    return found


def _tell(path: Path, found: Found) -> None:
    for trouble in found.troubles[:NAMED]:
        print(f"warning: {path}, {trouble}", file=sys.stderr)
    if found.skipped > NAMED:
        print(f"warning: {path}: {found.skipped} such in all, left out", file=sys.stderr)


def _prompt(row: Any) -> Prompt:
    """Raises BadPrompts, whose message goes on from the name of the line."""
    said = list(_turns(row)) if isinstance(row, dict) else []
    if not all(isinstance(turn, str) for turn in said):
        raise BadPrompts("has something that is not text where a user speaks")
    turns = [turn for turn in said if turn.strip()]
    if not turns:
        raise BadPrompts(f"is none of {SHAPES}")
    # Half of a pair of surrogates can be escaped in JSON, but never be sent.
    if not all(_sendable(turn) for turn in turns):
        raise BadPrompts("has half of a character, which UTF-8 cannot say")
    limit = row.get("max_tokens")
    if limit is not None and (type(limit) is not int or limit < 1):
        raise BadPrompts("has a max_tokens that is no integer of at least 1")
    return Prompt.of(turns, limit)


def _sendable(turn: str) -> bool:
    try:
        turn.encode()
    except UnicodeEncodeError:
        return False
    return True


def _turns(row: dict[str, Any]) -> Iterator[Any]:
    """What a user says in it. dolly's context goes before its instruction."""
    for name in ("prompt", "text"):
        if isinstance(row.get(name), str):
            yield row[name]
            return
    if isinstance(row.get("instruction"), str):
        yield _with_context(row.get("context") or "", row["instruction"])
        return
    for name in ("turns", "messages", "conversations"):
        if isinstance(row.get(name), list) and row[name]:
            said = row[name] if name == "turns" else _of_the_user(row[name])
            yield from said
            return


def _with_context(context: Any, instruction: str) -> Any:
    if not context:
        return instruction
    return f"{context}\n\n{instruction}" if isinstance(context, str) else context


def _of_the_user(messages: list[Any]) -> Iterator[Any]:
    for message in messages:
        if isinstance(message, dict) and (message.get("role") or message.get("from")) in HUMAN:
            yield message.get("content") or message.get("value") or ""
