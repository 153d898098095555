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
HUMAN = {"human", "user"}
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
    lines = _read(path).splitlines()
    rows = ((f"line {n}", text) for n, text in enumerate(lines, 1) if text.strip())
    return _collect(path, ((where, _json(text)) for where, text in rows))


def read_sharegpt(path: Path) -> Found:
    """A JSON array of conversations, or JSON Lines of them. Raises BadPrompts."""
    text = _read(path)
    if not text.lstrip().startswith("["):
        return read_lines(path)
    try:
        rows = json.loads(text)
    except ValueError as error:
        raise BadPrompts(f"{path} is not JSON: {error}") from None
    return _collect(path, ((f"entry {n}", row) for n, row in enumerate(rows, 1)))


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise BadPrompts(f"prompts {path}: {reason}") from None


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _collect(path: Path, rows: Iterable[tuple[str, Any]]) -> Found:
    found = Found()
    for where, row in rows:
        turns = [turn for turn in _turns(row) if turn.strip()]
        if turns:
            limit = row.get("max_tokens")
            found.prompts.append(Prompt.of(turns, limit if isinstance(limit, int) else None))
        else:
            found.troubles.append(f"{where} is none of {SHAPES}")
    _tell(path, found)
    return found


def _tell(path: Path, found: Found) -> None:
    for trouble in found.troubles[:NAMED]:
        print(f"warning: {path}, {trouble}", file=sys.stderr)
    if found.skipped > NAMED:
        print(f"warning: {path}: {found.skipped} such in all, left out", file=sys.stderr)


def _turns(row: Any) -> Iterator[str]:
    """What a user says in it. dolly's context goes before its instruction."""
    if not isinstance(row, dict):
        return
    for name in ("prompt", "text"):
        if isinstance(row.get(name), str):
            yield row[name]
            return
    if isinstance(row.get("instruction"), str):
        context = row.get("context") or ""
        yield f"{context}\n\n{row['instruction']}" if context else row["instruction"]
        return
    if isinstance(row.get("turns"), list):
        yield from (turn for turn in row["turns"] if isinstance(turn, str))
        return
    for message in row.get("messages") or row.get("conversations") or ():
        if isinstance(message, dict) and (message.get("role") or message.get("from")) in HUMAN:
            said = message.get("content") or message.get("value")
            if isinstance(said, str):
                yield said
