"""Server-sent events are the same however their bytes come in."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from common.sse import EventSplitter, event_data, event_name, sse_data

LINE = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=12)
"""U+0085 and U+2028 end no line here, although Python's own splitlines takes them for ends."""
FIELD = st.tuples(st.sampled_from(["data:", "data: ", "event: ", "id: ", ":", "data"]), LINE)
EVENT = st.lists(FIELD.map("".join), min_size=1, max_size=4)
END = st.sampled_from(["\n", "\r\n", "\r"])
PLACES = st.lists(st.integers(0, 400), max_size=8)


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def written(event: Sequence[str], end: str) -> bytes:
    return (end.join(event) + end + end).encode()


@given(st.lists(st.tuples(EVENT, END), max_size=4), PLACES)
@settings(derandomize=True, deadline=None, max_examples=500)
def test_events_are_the_same_however_they_are_cut(
    events: list[tuple[list[str], str]], places: list[int]
) -> None:
    data = b"".join(written(event, end) for event, end in events)
    splitter = EventSplitter()
    # A return that ends the bytes may be half of a line end: it is read with what follows.
    read = [
        event for part in [*cut(data, places), b"data: last\n\n"] for event in splitter.feed(part)
    ]
    assert read == [*("\n".join(event).encode() for event, _ in events), b"data: last"]
    assert splitter.rest == b""


@given(st.lists(LINE, min_size=1, max_size=4), LINE, PLACES)
@settings(derandomize=True, deadline=None)
def test_the_lines_of_an_events_data_come_back(
    lines: list[str], name: str, places: list[int]
) -> None:
    event = written([f"event: {name}", *(f"data: {line}" for line in lines)], "\n")

    async def pieces() -> AsyncGenerator[bytes, None]:
        for piece in cut(event, places):
            yield piece

    async def read() -> list[bytes]:
        return [data async for data in sse_data(pieces())]

    assert asyncio.run(read()) == ["\n".join(lines).encode()]
    assert event_name(event.rstrip(b"\n")) == name.encode()


def test_an_event_without_data_has_none() -> None:
    assert event_data(b": a comment") is None
    assert event_name(b"data: a") == b""
