"""A misspelt name gets the known one that is most like it, or none."""

import pytest

from common.names import nearest

KNOWN = ["max_tokens", "min_tokens", "top_p"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("max_token", "max_tokens"), ("top-p", "top_p"), ("top_p", "top_p"), ("qqq", None)],
)
def test_the_nearest_name_is_given_where_one_is_like_it(name: str, expected: str | None) -> None:
    assert nearest(name, KNOWN) == expected


def test_a_higher_cutoff_takes_only_what_is_nearly_equal() -> None:
    assert nearest("max_tok", KNOWN) == "max_tokens"
    assert nearest("max_tok", KNOWN, 0.9) is None


def test_no_name_is_near_where_none_is_known() -> None:
    assert nearest("top_p", ()) is None
