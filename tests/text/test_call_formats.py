"""Calls of every format are read as they were meant, however their text is cut."""

import json
from itertools import pairwise
from typing import Any, get_args

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from common.settings import Settings
from common.text.marks import NONE_HIDDEN, SURROGATE, HiddenTokens, without_hidden
from common.text.tool_calls import FORMATS, ExpectedCalls
from common.text.tool_calls.tagged import TaggedFormat
from tests.text.call_texts import AT_THE_START, WRITERS, Call

SCHEMAS: dict[str, dict[str, Any]] = {
    "get_weather": {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer"},
            "units": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "where": {"type": "object"},
        },
    },
    "get_time": {"type": "object"},
}
Parsed = tuple[str, list[tuple[str, str]]]
MARKS = sorted(
    {
        text
        for taught in FORMATS.values()
        for text in taught.form.texts
        if not SURROGATE.search(text)
    }
)
WORDS = st.sampled_from([*"\"'\\{}[]()<>,;=\n", " ", "Köln", "猫", "```", "null", "1", *MARKS])
TEXTS = st.lists(WORDS, max_size=6).map("".join)
CALLS = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {},
            optional={
                "city": TEXTS.map(str.strip),
                "days": st.integers(-9, 99),
                "units": st.sampled_from(["metric", None]),
                "where": st.fixed_dictionaries({"place": TEXTS, "at": st.lists(st.booleans())}),
            },
        ).map(lambda arguments: ("get_weather", arguments)),
        st.just(("get_time", {})),
    ),
    min_size=1,
    max_size=3,
)
PLAIN = st.text(st.sampled_from("abc ä.\n"), max_size=8)
FORMS = st.sampled_from(sorted(FORMATS))
PLACES = st.lists(st.floats(0, 1), max_size=6)


def parse(
    form: str, pieces: list[str], hidden: HiddenTokens = NONE_HIDDEN, *, several: bool = True
) -> Parsed:
    """Returns the content, and the name and arguments of each call."""
    parser = FORMATS[form].form.with_hidden(hidden).parser(ExpectedCalls(SCHEMAS, several))
    results = [parser.feed(piece) for piece in pieces] + [parser.finish()]
    calls: dict[int, tuple[str, str]] = {}
    for part in (part for _, parts in results for part in parts):
        if part.id is not None:
            assert part.call == len(calls)
            calls[part.call] = (str(part.name), "")
        name, arguments = calls[part.call]
        calls[part.call] = (name, arguments + part.arguments)
    return "".join(text for text, _ in results), list(calls.values())


def cut(text: str, places: list[float]) -> list[str]:
    cuts = [0, *sorted(int(place * len(text)) for place in places), len(text)]
    return [text[start:end] for start, end in pairwise(cuts)]


def has_one_meaning(form: str, calls: list[Call]) -> bool:
    """Returns whether values have no texts that are marks in their place: such as the end of a
    value in tags."""
    texts = FORMATS[form].form.texts
    return not any(mark in str(arguments) for _, arguments in calls for mark in texts)


def test_every_format_is_tried_and_can_be_set() -> None:
    assert set(WRITERS) == set(FORMATS)
    named = get_args(Settings.model_fields["tool_format"].annotation)
    assert set(named) == {*FORMATS, "auto", "none"}


@settings(max_examples=300, deadline=None)
@given(form=FORMS, calls=CALLS, before=PLAIN, behind=PLAIN, places=PLACES, special=st.booleans())
def test_calls_are_read_as_they_were_written(
    form: str, calls: list[Call], before: str, behind: str, places: list[float], special: bool
) -> None:
    """Also where all marks are special tokens that the text lacks."""
    special = special and form not in AT_THE_START
    if special or isinstance(FORMATS[form].form, TaggedFormat):
        assume(has_one_meaning(form, calls))
    before = "" if form in AT_THE_START else before
    hidden = HiddenTokens({})
    written = WRITERS[form](calls)
    if special:
        marks = [text for text in FORMATS[form].form.texts if text[0] in "<["]
        hidden = HiddenTokens(dict(enumerate(marks)))
        written = hidden.encode(written)
    text = before + written + behind
    content, found = parse(form, cut(text, places), hidden)
    assert [(name, json.loads(arguments)) for name, arguments in found] == calls
    assert content == (before if before.strip() else "") + (behind if behind.strip() else "")
    assert parse(form, list(text), hidden) == (content, found)


@settings(max_examples=300, deadline=None)
@given(
    form=FORMS,
    calls=CALLS,
    others=st.lists(TEXTS, min_size=2, max_size=2),
    end=st.floats(0, 1),
    places=PLACES,
    several=st.booleans(),
)
def test_any_text_cut_anywhere_gives_the_same(
    form: str,
    calls: list[Call],
    others: list[str],
    end: float,
    places: list[float],
    several: bool,
) -> None:
    """Malformed and truncated calls are never an error, and what they give does not depend on the
    pieces."""
    written = others[0] + WRITERS[form](calls) + others[1]
    text = written[: int(end * len(written)) + 1]
    whole = parse(form, [text], several=several)
    assert parse(form, cut(text, places), several=several) == whole
    assert parse(form, list(text), several=several) == whole
    assert len(whole[1]) <= 1 or several
    assert without_hidden(whole[0]) == whole[0]


@settings(max_examples=200, deadline=None)
@given(form=FORMS, text=st.lists(st.one_of(PLAIN, WORDS), max_size=8).map("".join))
def test_text_without_a_call_is_not_lost(form: str, text: str) -> None:
    content, calls = parse(form, [text])
    if not calls:
        assert content == without_hidden(text)


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_a_call_that_is_cut_stops_in_the_middle(form: str) -> None:
    """What is there of its arguments begins those of the whole call."""
    text = WRITERS[form]([("get_weather", {"city": "Köln am Rhein", "days": 3})])
    _, [(_, arguments)] = parse(form, [text])
    lengths = set()
    for end in range(len(text)):
        content, calls = parse(form, [text[:end]])
        assert content == "" or not calls, content
        for _, begun in calls:
            assert arguments.startswith(begun)
            lengths.add(len(begun))
    assert len(lengths) > 1
