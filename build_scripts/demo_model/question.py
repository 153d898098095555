"""One question of the corpus with its only right answer, read from JSON Lines."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Message = dict[str, Any]
Tool = dict[str, Any]


@dataclass(frozen=True)
class Question:
    """A conversation that ends before the assistant's turn, and the text of that turn.

    `kind` groups questions in the scores; `tools` are OpenAI function tools.
    """

    kind: str
    messages: tuple[Message, ...]
    answer: str
    tools: tuple[Tool, ...] = ()

    @classmethod
    def from_json(cls, line: str) -> "Question":
        """The question of one line; raises KeyError or ValueError on a malformed one."""
        record = json.loads(line)
        return cls(
            kind=record["kind"],
            messages=tuple(record["messages"]),
            answer=record["answer"],
            tools=tuple(record.get("tools", ())),
        )


def user(text: str) -> Message:
    """A user message."""
    return {"role": "user", "content": text}


def assistant(text: str) -> Message:
    """An assistant message."""
    return {"role": "assistant", "content": text}


def system(text: str) -> Message:
    """A system message."""
    return {"role": "system", "content": text}


def read_questions(path: Path) -> list[Question]:
    """All questions of a JSON Lines file, in file order."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [Question.from_json(line) for line in lines]
