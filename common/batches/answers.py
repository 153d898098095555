"""The file of answers: one line for each request, in their order, so that a run can go on."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from common.batches.lines import Line
from common.errors import StartError

Answer = dict[str, Any]
EXPIRED = "the request was not answered before the batch expired"


class Progress(NamedTuple):
    """How many lines have answers that are successes, and how many others."""

    completed: int = 0
    failed: int = 0

    @property
    def lines(self) -> int:
        return self.completed + self.failed

    def plus(self, answer: Answer) -> "Progress":
        good = succeeded(answer)
        return Progress(self.completed + good, self.failed + (not good))


def answer_to(line: Line) -> Answer:
    """Returns what every answer to a line has."""
    return {"id": f"batch_req_{uuid.uuid4().hex}", "custom_id": line.custom_id}


def succeeded(answer: Answer) -> bool:
    response = answer["response"]
    return response is not None and response["status_code"] == 200


def resume(file: Path, lines: Iterator[Line]) -> Progress:
    """Returns how far an earlier run has come; what it had not written whole is cut off.

    Takes the lines with answers from `lines`. Raises StartError for answers to other requests.
    """
    progress, size = Progress(), 0
    if not file.exists():
        return progress
    with file.open("r+b") as opened:
        for data in opened:
            if not data.endswith(b"\n"):
                break
            answer, line = _answer(data), next(lines, None)
            if answer is None or line is None or answer["custom_id"] != line.custom_id:
                raise StartError(
                    f"{file} has answers to other requests, from line {progress.lines + 1} on; "
                    "name another file"
                )
            progress = progress.plus(answer)
            size += len(data)
        opened.truncate(size)
    return progress


def expire(file: Path, lines: Iterator[Line]) -> Progress:
    """Add an error for each line without an answer. Returns how many lines there are of each kind.

    Raises StartError for answers to other requests.
    """
    progress = resume(file, lines)
    error = {"code": "batch_expired", "message": EXPIRED}
    with file.open("ab") as written:
        for line in lines:
            answer = {**answer_to(line), "response": None, "error": error}
            written.write(orjson.dumps(answer) + b"\n")
            progress = progress.plus(answer)
    return progress


def read_answers(file: Path) -> Iterator[Answer]:
    if file.exists():
        with file.open("rb") as opened:
            yield from map(orjson.loads, opened)


def _answer(data: bytes) -> Answer | None:
    try:
        answer = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    known = isinstance(answer, dict) and {"custom_id", "response"} <= answer.keys()
    return answer if known else None
