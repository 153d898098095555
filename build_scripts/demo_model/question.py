"""One question of the corpus with its only right answer, and its JSON Lines form."""

import json
from collections.abc import Iterable
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

    def to_json(self) -> str:
        """One line of the questions file, without the newline, UTF-8 unescaped."""
        record: dict[str, Any] = {
            "kind": self.kind,
            "messages": list(self.messages),
            "answer": self.answer,
        }
        if self.tools:
            record["tools"] = list(self.tools)
        return json.dumps(record, ensure_ascii=False)

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

    def key(self) -> str:
        """The part that makes a question distinct: its messages, as JSON."""
        return json.dumps(self.messages, ensure_ascii=False)


def ask(kind: str, text: str, answer: str) -> Question:
    """A question of a single user message."""
    return Question(kind, (user(text),), answer)


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


def render_questions(questions: Iterable[Question]) -> str:
    """The text of the questions file: one JSON object per line, newline-terminated."""
    return "".join(question.to_json() + "\n" for question in questions)
