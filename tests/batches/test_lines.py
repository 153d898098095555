"""Bad lines are counted and named before anything runs, and a run knows how far it has come."""

import json
from pathlib import Path
from typing import Any

import pytest

from common.batches.answers import Progress, resume
from common.batches.lines import MAX_NAMED, URLS, check_lines, read_lines
from common.errors import StartError
from common.http.routes import ROUTES

CHAT = "/v1/chat/completions"


def line(custom_id: Any = "a", **fields: Any) -> str:
    value = {"custom_id": custom_id, "method": "POST", "url": CHAT, "body": {}, **fields}
    return json.dumps({name: each for name, each in value.items() if each is not ...})


def written(folder: Path, *lines: str) -> Path:
    file = folder / "requests.jsonl"
    file.write_text("\n".join(lines), "utf-8")
    return file


def test_the_routes_of_lines_are_routes_that_generate() -> None:
    generating = {route.path for route in ROUTES if route.generates}
    assert set(URLS) == generating - {"/generate"}, "its answer is no JSON"


@pytest.mark.parametrize(
    ("text", "message", "param"),
    [
        ("{", "not JSON", None),
        ("5", "not a JSON object", None),
        (line(custom_id=...), "custom_id has to be a text", "custom_id"),
        (line(custom_id=""), "custom_id has to be a text", "custom_id"),
        (line(custom_id="a" * 513), "custom_id has to be a text", "custom_id"),
        (line(custom_id=5), "custom_id has to be a text", "custom_id"),
        (line(method="GET"), "method has to be POST", "method"),
        (line(method=...), "method has to be POST", "method"),
        (line(url="/v1/models"), "url has to be one of /v1/chat/completions", "url"),
        (line(url="https://example.org/v1/chat/completions"), "url has to be one of", "url"),
        (line(url=["/v1/completions"]), "url has to be one of", "url"),
        (line(url="/v1/completions"), "url is not the batch's endpoint", "url"),
        (line(body=[]), "body has to be a JSON object", "body"),
        (line(body=...), "body has to be a JSON object", "body"),
        (line(body={"stream": True}), "stream cannot be true in a batch", "body.stream"),
        (line(more=1), "unknown field 'more'", None),
        (line("good"), "an earlier line has the same custom_id", "custom_id"),
    ],
)
def test_a_bad_line_is_named_by_its_number(
    tmp_path: Path, text: str, message: str, param: str | None
) -> None:
    checked = check_lines(written(tmp_path, line("good"), "", text), 10, CHAT)
    assert (checked.lines, checked.bad) == (2, 1)
    (fault,) = checked.faults
    assert (fault.line, fault.param) == (3, param)
    assert message in fault.message


def test_all_bad_lines_are_counted_and_so_many_named(tmp_path: Path) -> None:
    checked = check_lines(written(tmp_path, *["{"] * 500), 1000)
    assert (checked.bad, len(checked.faults)) == (500, MAX_NAMED)


def test_a_file_without_lines_and_one_with_too_many_are_refused(tmp_path: Path) -> None:
    (fault,) = check_lines(written(tmp_path, "", " "), 10).faults
    assert fault.code == "empty_file"
    (fault,) = check_lines(written(tmp_path, *map(line, "abc")), 2).faults
    assert (fault.code, fault.line) == ("too_many_lines", None)
    assert "3 lines; allowed are at most 2" in fault.message
    assert check_lines(written(tmp_path, *map(line, "abc")), 3) == (3, 0, [])


def answered(custom_id: str, status: int | None = 200) -> str:
    response = None if status is None else {"status_code": status, "request_id": "", "body": {}}
    return json.dumps({"id": "x", "custom_id": custom_id, "response": response, "error": None})


def test_a_run_goes_on_behind_its_last_whole_answer(tmp_path: Path) -> None:
    requests = written(tmp_path, *map(line, "abcde"))
    answers = tmp_path / "answers.jsonl"
    whole = "".join(
        f"{each}\n" for each in (answered("a"), answered("b", 400), answered("c", None))
    )
    answers.write_text(whole + answered("d")[:-9], "utf-8")
    left = read_lines(requests)
    assert resume(answers, left) == Progress(completed=1, failed=2)
    assert answers.read_text("utf-8") == whole
    assert [each.custom_id for each in left] == ["d", "e"]


@pytest.mark.parametrize(
    "other", [answered("b"), "{}", "no JSON", answered("a") + "\n" + answered("b")]
)
def test_answers_to_other_requests_are_not_touched(tmp_path: Path, other: str) -> None:
    answers = tmp_path / "answers.jsonl"
    answers.write_text(other + "\n", "utf-8")
    with pytest.raises(StartError, match="answers to other requests, from line"):
        resume(answers, read_lines(written(tmp_path, line("a"))))
    assert answers.read_text("utf-8") == other + "\n"
