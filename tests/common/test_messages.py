"""Sentences for a person."""

import pytest

from common.messages import closest, first_line, nearest, one_line


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
