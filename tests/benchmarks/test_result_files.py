"""The files of a run, read back."""

from pathlib import Path

import pytest

from benchmarks.results.files import REQUESTS, Unreadable, requests
from benchmarks.results.schema import Outcome, Request


def failed(error: str) -> Request:
    return Request(
        index=0, user=0, prompt="p", sent=0, ended=1, outcome=Outcome.HTTP_ERROR, error=error
    )


@pytest.mark.parametrize("error", ["one\u2028two", "one\x85two", "one\r\ntwo"])
def test_what_a_server_said_never_splits_a_line(tmp_path: Path, error: str) -> None:
    made = [failed(error), failed("another")]
    lines = "".join(f"{each.model_dump_json()}\n" for each in made)
    (tmp_path / REQUESTS).write_text(lines, "utf-8")
    assert list(requests(tmp_path)) == made


def test_a_run_without_requests_has_none(tmp_path: Path) -> None:
    (tmp_path / REQUESTS).write_text("")
    assert list(requests(tmp_path)) == []


def test_a_line_that_is_no_request_is_named(tmp_path: Path) -> None:
    (tmp_path / REQUESTS).write_text(f"{failed('e').model_dump_json()}\n{{}}\n")
    with pytest.raises(Unreadable, match="line 2"):
        list(requests(tmp_path))
