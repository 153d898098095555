"""Prompts from JSON and JSON Lines files of the usual shapes."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.prompts.prompt_set import BadPrompts, Prompt

SHAPES = (
    '{"prompt"}, {"text"}, {"instruction", "context"}, {"turns"}, {"messages"} or {"conversations"}'
)
USER_ROLES = ("human", "user")
MAX_WARNINGS = 5
"""How many bad lines are named one by one."""


@dataclass
class ParsedFile:
    """The prompts of a file, and a description of each line that has none."""

    prompts: list[Prompt] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def skipped(self) -> int:
        return len(self.errors)

    @property
    def first_error(self) -> str:
        return f": {self.errors[0]}" if self.errors else ""


def read_lines(path: Path) -> ParsedFile:
    """Returns the prompts of a JSON Lines file, and warns of bad lines on standard error.

    Raises BadPrompts for a file that cannot be read.
    """
    # JSON may contain other characters that str.splitlines() takes for an end of line.
    lines = read_text(path).split("\n")
    rows = ((f"line {n}", text) for n, text in enumerate(lines, 1) if text.strip())
    return _collect(path, ((where, _json(text)) for where, text in rows))


def read_sharegpt(path: Path) -> ParsedFile:
    """Returns the prompts of a JSON array of conversations, or of JSON Lines of them.

    Raises BadPrompts for a file that cannot be read.
    """
    text = read_text(path)
    if not text.lstrip().startswith("["):
        return read_lines(path)
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadPrompts(f"{path} is not JSON: {error}") from None
    return _collect(path, ((f"entry {n}", row) for n, row in enumerate(rows, 1)))


def read_text(path: Path) -> str:
    """Returns the text of a file of prompts. Raises BadPrompts."""
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


def _collect(path: Path, rows: Iterable[tuple[str, Any]]) -> ParsedFile:
    parsed = ParsedFile()
    for where, row in rows:
        try:
            parsed.prompts.append(_prompt(row))
        except BadPrompts as error:
            parsed.errors.append(f"{where} {error}")
    warn_of(path, parsed.errors)
    return parsed


def warn_of(path: Path, errors: Sequence[str]) -> None:
    """Names the first bad lines of a file on standard error, and says how many there are."""
    for line in errors[:MAX_WARNINGS]:
        print(f"warning: {path}, {line}", file=sys.stderr)
    if len(errors) > MAX_WARNINGS:
        print(f"warning: {path}: {len(errors)} such in all, left out", file=sys.stderr)


def _prompt(row: Any) -> Prompt:
    """Returns a row's prompt; raises BadPrompts, whose message continues the line's name."""
    texts = list(_turns(row)) if isinstance(row, dict) else []
    if not all(isinstance(turn, str) for turn in texts):
        raise BadPrompts("has something that is not text where a user speaks")
    turns = [turn for turn in texts if turn.strip()]
    if not turns:
        raise BadPrompts(f"is none of {SHAPES}")
    # Half of a pair of surrogates can be escaped in JSON, but never be sent.
    if not all(_is_unicode(turn) for turn in turns):
        raise BadPrompts("has half of a character, which UTF-8 cannot say")
    limit = row.get("max_tokens")
    if limit is not None and (type(limit) is not int or limit < 1):
        raise BadPrompts("has a max_tokens that is no integer of at least 1")
    return Prompt.of(turns, limit)


def _is_unicode(turn: str) -> bool:
    try:
        turn.encode()
    except UnicodeEncodeError:
        return False
    return True


def _turns(row: dict[str, Any]) -> Iterator[Any]:
    """Yields the user's messages of a row; dolly's context comes before its instruction."""
    for name in ("prompt", "text"):
        if isinstance(row.get(name), str):
            yield row[name]
            return
    if isinstance(row.get("instruction"), str):
        yield _with_context(row.get("context") or "", row["instruction"])
        return
    for name in ("turns", "messages", "conversations"):
        if isinstance(row.get(name), list) and row[name]:
            yield from row[name] if name == "turns" else _user_contents(row[name])
            return


def _with_context(context: Any, instruction: str) -> Any:
    if not context:
        return instruction
    return f"{context}\n\n{instruction}" if isinstance(context, str) else context


def _user_contents(messages: list[Any]) -> Iterator[Any]:
    for message in messages:
        if isinstance(message, dict) and (message.get("role") or message.get("from")) in USER_ROLES:
            yield message.get("content") or message.get("value") or ""
