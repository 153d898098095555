"""Stop strings: found however the text is cut, and never shown in part."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.text.marks import HiddenTokens, tokens_in
from common.text.stop_strings import StopStrings

ALPHABET = st.text("abc", max_size=30)
STOPS = st.lists(st.text("abc", min_size=1, max_size=4), min_size=1, max_size=4)


def run(
    pieces: list[str], stops: list[str], *, include: bool = False
) -> tuple[list[str], str | None]:
    matcher = StopStrings(stops, include=include)
    shown = []
    for piece in pieces:
        shown.append(matcher.feed(piece))
        if matcher.stop is not None:
            return shown, matcher.stop
    return [*shown, matcher.finish()], None


def cut(text: str, places: list[int]) -> list[str]:
    edges = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    return [text[a:b] for a, b in pairwise(edges)]


@given(ALPHABET, STOPS, st.lists(st.integers(0, 30), max_size=8))
@settings(derandomize=True, max_examples=500, deadline=None)
def test_the_cuts_do_not_matter(text: str, stops: list[str], places: list[int]) -> None:
    shown, found = run(cut(text, places), stops)
    by_letter, found_by_letter = run(list(text), stops)
    assert "".join(shown) == "".join(by_letter)
    assert found == found_by_letter


@given(ALPHABET, STOPS)
@settings(derandomize=True, max_examples=500, deadline=None)
def test_no_text_is_lost_and_no_stop_is_shown(text: str, stops: list[str]) -> None:
    shown, found = run(list(text), stops)
    result = "".join(shown)
    assert text.startswith(result)
    assert not any(stop in result for stop in stops)
    if found is None:
        assert result == text
    else:
        assert text[len(result) :].startswith(found)


@given(ALPHABET, STOPS)
@settings(derandomize=True, max_examples=500, deadline=None)
def test_only_what_could_become_a_stop_is_held_back(text: str, stops: list[str]) -> None:
    matcher = StopStrings(stops)
    shown = ""
    for count, letter in enumerate(text, 1):
        shown += matcher.feed(letter)
        if matcher.stop is not None:
            return
        held = text[len(shown) : count]
        assert not held or any(stop.startswith(held) for stop in stops)


@pytest.mark.parametrize(
    ("text", "stops", "shown", "found"),
    [
        ("hello world", ["wor"], "hello ", "wor"),
        ("hello world", ["xyz"], "hello world", None),
        ("aab", ["ab"], "a", "ab"),
        ("abc", ["abc", "b"], "a", "b"),
        ("abc", ["c", "bc"], "a", "bc"),
        ("猫🎉!", ["🎉"], "猫", "🎉"),
    ],
)
def test_the_first_complete_stop_ends_the_text(
    text: str, stops: list[str], shown: str, found: str | None
) -> None:
    for pieces in ([text], list(text)):
        pieces_shown, which = run(pieces, stops)
        assert ("".join(pieces_shown), which) == (shown, found)


@given(ALPHABET, STOPS, st.lists(st.integers(0, 30), max_size=8))
@settings(derandomize=True, max_examples=300, deadline=None)
def test_an_included_stop_ends_the_text(text: str, stops: list[str], places: list[int]) -> None:
    without, found = run(list(text), stops)
    shown, included = run(cut(text, places), stops, include=True)
    assert included == found
    assert "".join(shown) == "".join(without) + (found or "")


HIDDEN = {7: "<s>", 8: "<s><s>"}


@pytest.mark.parametrize(
    ("text", "stops", "shown", "found"),
    [
        (["a", 7, "b"], ["<s>"], "a", "<s>"),
        (["a", "\n", 7, "user"], ["\n<s>user"], "a", "\n<s>user"),
        (["a", "\n", 7, "use", "d"], ["\n<s>user"], "a\nused", None),
        (["a", "\n", "<s>", "user"], ["\n<s>user"], "a\n<s>user", None),
        (["a", 8, "b"], ["<s>", "<s><s>b"], "a", "<s><s>b"),
        (["a", 9, "b"], ["<s>"], "ab", None),
        (["a", 7, 7, "b"], ["b"], "a", "b"),
    ],
)
def test_tokens_that_the_text_lacks_are_a_part_of_stop_strings(
    text: list[str | int], stops: list[str], shown: str, found: str | None
) -> None:
    for include in (False, True):
        hidden = HiddenTokens(tokens_in(stops, HIDDEN))
        matcher = StopStrings(stops, include=include, hidden=hidden)
        result = ""
        for piece in text:
            fed = piece if isinstance(piece, str) else hidden.marks.get(piece, "")
            result += matcher.feed(fed)
            if matcher.stop is not None:
                break
        else:
            result += matcher.finish()
        assert matcher.stop == found
        assert result == shown + (found or "" if include else "")
