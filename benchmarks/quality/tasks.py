"""The tasks by which answers are judged, and the files of documents that they ask about."""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    ValidationError,
    model_validator,
)

from benchmarks.load.spec import BaseUrl, Count, Name, Part, as_tuple, mistake
from benchmarks.results.quality import TaskKind
from benchmarks.words import counted
from common.messages import one_line

NAMED_LINES = 20
"""Lines of a file that are named with what is wrong; more are only counted."""


class QualityTask(Part):
    """One measure of quality. `file` has a document on each line, of which the first `limit` are
    asked about; `lm_eval` names a task of lm-eval in its place, `include` a folder with tasks of
    one's own, and `chat` has its questions asked by the chat template."""

    kind: TaskKind
    name: Name | None = None
    file: Name | None = None
    limit: Count | None = None
    max_tokens: Count | None = None
    include: Name | None = None
    chat: bool = False

    @model_validator(mode="after")
    def _fields_of_its_kind(self) -> Self:
        by_lm_eval = self.kind == "lm_eval"
        rules = (
            ("file", not by_lm_eval and self.file is None, "is missing: JSON Lines"),
            ("file", by_lm_eval and self.file is not None, "is not of lm_eval: its tasks have own"),
            ("name", by_lm_eval and self.name is None, "is missing: that of a task of lm-eval"),
            ("include", not by_lm_eval and self.include is not None, "is of lm_eval only"),
            ("chat", not by_lm_eval and self.chat, "is of lm_eval: messages are a chat already"),
            ("max_tokens", self.kind != "exact" and self.max_tokens is not None,
             "is of exact only: the others generate no answer, or limit it themselves"),
        )  # fmt: skip
        for name, broken, text in rules:
            if broken:
                raise mistake(text, at=name)
        return self

    @property
    def title(self) -> str:
        """Returns its name in results: by default that of its file, or of lm-eval's task."""
        return self.name or Path(str(self.file)).stem


def _titles_differ(tasks: tuple[QualityTask, ...]) -> tuple[QualityTask, ...]:
    titles = [task.title for task in tasks]
    for title in titles:
        if titles.count(title) > 1:
            raise mistake(f"has two tasks that are named {title!r}: give one a 'name'")
    return tasks


Tasks = Annotated[
    tuple[QualityTask, ...], BeforeValidator(as_tuple), AfterValidator(_titles_differ)
]


class QualitySpec(Part):
    """What one run of tasks is asked to do. `tokenizer` is a directory or hub id, for lm-eval."""

    url: BaseUrl
    model: Name
    tasks: Tasks = Field(min_length=1)
    tokenizer: Name | None = None


class _Asked(BaseModel):
    """A document with a prompt: a text, or `messages` for the chat template, with its `tools`."""

    prompt: str | None = None
    messages: list[dict[str, Any]] | None = None
    tools: list[dict[str, Any]] | None = None

    @model_validator(mode="after")
    def _one_prompt(self) -> Self:
        if (self.prompt is None) == (not self.messages):
            raise ValueError("needs either 'prompt' or 'messages'")
        return self


class ExactDocument(_Asked):
    """`answer` is the text that a right answer equals."""

    answer: Annotated[str, Field(min_length=1)]


class ChoiceDocument(_Asked):
    """`answer` is the index of the right one of `choices`, which continue the prompt."""

    choices: Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=2)]
    answer: Annotated[int, Field(ge=0, strict=True)]

    @model_validator(mode="after")
    def _answer_is_one_of_them(self) -> Self:
        if self.answer >= len(self.choices):
            raise ValueError(
                f"'answer' is {self.answer}, but there are {len(self.choices)} choices"
            )
        return self


class TextDocument(BaseModel):
    """A text whose tokens are predicted."""

    text: Annotated[str, Field(pattern=r"\S")]


Document = ExactDocument | ChoiceDocument | TextDocument
DOCUMENTS: dict[Literal["exact", "choice", "perplexity"], type[Document]] = {
    "exact": ExactDocument,
    "choice": ChoiceDocument,
    "perplexity": TextDocument,
}


class BadDocuments(ValueError):
    """Lines of a task's file cannot be used: how many, which, and why."""


def documents(task: QualityTask) -> list[tuple[int, Document]]:
    """Returns the documents of a task that has a file, each with its line, from 1. A file with one
    bad line is refused: a score without it would be another one. Raises BadDocuments and OSError.
    """
    assert task.file is not None
    assert task.kind != "lm_eval"
    of_kind, good, bad = DOCUMENTS[task.kind], [], []
    lines = Path(task.file).read_bytes().splitlines()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            good.append((number, of_kind.model_validate(json.loads(line))))
        except ValidationError as error:
            bad.append(f"line {number}: {_reason(error)}")
        except ValueError:
            bad.append(f"line {number}: is no JSON")
    if bad:
        more = f"; and {len(bad) - NAMED_LINES} more" if len(bad) > NAMED_LINES else ""
        total = counted(len(good) + len(bad), "line")
        shown = "; ".join(bad[:NAMED_LINES])
        raise BadDocuments(f"{len(bad)} of {total} cannot be used: {shown}{more}")
    if not good:
        raise BadDocuments("has no line with a document")
    return good[: task.limit]


def task_hash(task: QualityTask) -> str:
    """Returns that of all which bears on a score: equal ones are of equal questions. Of lm-eval's
    tasks only the name is known."""
    text = task.model_dump_json(exclude={"file", "name", "include"}).encode()
    own = task.title.encode() if task.file is None else Path(task.file).read_bytes()
    return hashlib.sha256(text + own).hexdigest()[:16]


def _reason(error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    at = ".".join(map(str, problem["loc"]))
    said = problem["msg"].removeprefix("Value error, ")
    return one_line(f"{at!r}: {said}" if at else said)
