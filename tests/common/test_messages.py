"""Sentences for a person."""

import pytest
from pydantic import BaseModel, ValidationError

from common.messages import MAX_LINE, closest, first_line, nearest, one_line


def test_the_nearest_name_is_a_hint() -> None:
    assert nearest("modle", ["model", "dtype"]) == " (did you mean 'model'?)"
    assert nearest("zzz", ["model", "dtype"]) == ""
    assert closest("h10", ["h100", "a100"], 0.5) == "h100"
    assert closest("h10", ["h100"], 0.99) is None


@pytest.mark.parametrize(
    ("message", "whole", "first"),
    [
        ("one\n  two ", "one two", "one"),
        ("", "ValueError", "ValueError"),
        ("abcdef", "abcd", "abcd"),
    ],
)
def test_an_error_is_one_line(message: str, whole: str, first: str) -> None:
    limit = 4 if message == "abcdef" else 100
    assert one_line(ValueError(message), limit) == whole
    assert first_line(ValueError(message), limit) == first


KNOWN = ["max_tokens", "min_tokens", "top_p"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("max_token", "max_tokens"), ("top-p", "top_p"), ("top_p", "top_p"), ("qqq", None)],
)
def test_the_nearest_name_is_given_where_one_is_like_it(name: str, expected: str | None) -> None:
    assert closest(name, KNOWN) == expected


def test_a_higher_cutoff_takes_only_what_is_nearly_equal() -> None:
    assert closest("max_tok", KNOWN) == "max_tokens"
    assert closest("max_tok", KNOWN, 0.9) is None


def test_no_name_is_near_where_none_is_known() -> None:
    assert closest("top_p", ()) is None


class Refusal(BaseModel):
    size: int


def refusal() -> ValidationError:
    with pytest.raises(ValidationError) as refused:
        Refusal.model_validate({"size": "a secret"})
    return refused.value


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("one\n  two"), "one two"),
        (ValueError("bad", "a secret"), "bad"),
        (KeyError(), "KeyError"),
        (OSError(2, "no such file"), "[Errno 2] no such file"),
        ("text of\nanother", "text of another"),
        ("long " * 100, ("long " * 60)[:MAX_LINE]),
    ],
)
def test_an_error_is_one_line_without_the_rejected_value(
    error: Exception | str, expected: str
) -> None:
    assert one_line(error) == expected
    assert one_line(refusal()).startswith("size: Input should be a valid integer")
    assert "secret" not in one_line(refusal())
