"""Streams are read as they come, however they are cut into reads."""

import json

import pytest

from benchmarks.load.stream import EventStream, StreamReader, TextStream


def event(value: object) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def chat(content: str | None = None, *, finish: str | None = None, **more: object) -> bytes:
    delta = {**({} if content is None else {"content": content}), **more}
    return event({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


ANSWER = [
    chat("", role="assistant"),
    chat("né"),
    chat(" two"),
    chat(finish="stop"),
    event({"choices": [], "usage": {"completion_tokens": 2, "prompt_tokens": 3}}),
    b"data: [DONE]\n\n",
]


def read(reader: StreamReader, *parts: bytes) -> list[int]:
    weights = [reader.feed(part) for part in parts]
    reader.close()
    return weights


def test_a_role_and_an_end_are_no_content() -> None:
    reader = EventStream()
    assert read(reader, *ANSWER) == [0, 1, 1, 0, 0, 0]
    assert "".join(reader.content.text) == "né two"
    assert reader.content.usage == {"completion_tokens": 2, "prompt_tokens": 3}
    assert (reader.content.ended, reader.content.error) == (True, None)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_events_may_come_in_parts_of_any_size_with_any_line_end(size: int, end: bytes) -> None:
    whole = b": a comment\n\n" + b"".join(ANSWER)
    whole = whole.replace(b"\n", end)
    reader = EventStream()
    parts = [whole[at : at + size] for at in range(0, len(whole), size)]
    assert sum(read(reader, *parts)) == 2
    assert "".join(reader.content.text) == "né two"
    assert reader.content.ended


def test_an_event_may_have_several_lines_of_data() -> None:
    reader = EventStream()
    read(reader, b'event: x\ndata: {"choices": [{"text":\ndata:  "a"}]}\nid: 1\n\n')
    assert reader.content.text == ["a"]


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning", "tool_calls"])
def test_reasoning_and_tool_calls_are_generated_too(field: str) -> None:
    reader = EventStream()
    assert read(reader, chat("a"), chat(**{field: "x"})) == [1, 1]
    assert (reader.content.text, reader.content.more_than_text) == (["a"], True)


def test_a_read_weighs_as_much_as_it_brings() -> None:
    assert read(EventStream(), chat("a"), chat("b") + chat("c"), chat(finish="stop")) == [1, 2, 0]
    assert read(TextStream(), b"a", "née".encode()) == [1, 3]


def test_an_error_in_the_stream_is_heard() -> None:
    reader = EventStream()
    read(reader, chat("a"), event({"error": {"message": "it died", "code": "engine_dead"}}))
    assert reader.content.error == "it died"


@pytest.mark.parametrize(
    "broken",
    [
        b"data: {nothing}\n\n",
        b"data: 7\n\n",
        event({"choices": [None]}),
        event({"choices": [{"delta": "x"}]}),
        event({"choices": 7}),
        event({"usage": 7, "choices": []}),
        event({"choices": [{"delta": {"content": 7}}]}),
    ],
)
def test_what_is_no_event_is_an_error(broken: bytes) -> None:
    reader = EventStream()
    read(reader, broken)
    assert reader.content.error is not None


def test_a_stream_that_does_not_say_that_it_has_ended_has_not() -> None:
    reader = EventStream()
    read(reader, *ANSWER[:3])
    assert not reader.content.ended


def test_the_last_event_needs_no_blank_line() -> None:
    reader = EventStream()
    read(reader, chat("a"), b"data: [DONE]")
    assert reader.content.ended


def test_a_character_may_be_split_over_raw_reads() -> None:
    reader = TextStream()
    assert read(reader, b"n", "é".encode()[:1], "é".encode()[1:]) == [1, 0, 1]
    assert "".join(reader.content.text) == "né"
    assert reader.content.ended


def test_a_raw_stream_that_ends_within_a_character_is_broken() -> None:
    reader = TextStream()
    read(reader, "é".encode()[:1])
    assert not reader.content.ended


def test_bytes_that_are_no_text_are_an_error() -> None:
    reader = TextStream()
    read(reader, b"\xff\xff")
    assert reader.content.error is not None


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (event({"object": "error", "message": "no room", "code": 500}), "no room"),
        (b'event: error\ndata: {"message": "no room"}\n\n', "no room"),
        (b"event: error\ndata: out of memory\n\n", "out of memory"),
        (b'event:error\ndata: {"error": {"message": "no room"}}\n\n', "no room"),
        (b'id: 1\nevent: error\ndata: {"message": "no room"}\n\n', "no room"),
        (chat(finish="abort"), "finish_reason abort"),
        (chat(finish="error"), "finish_reason error"),
    ],
)
def test_an_error_in_any_shape_is_no_answer(part: bytes, message: str) -> None:
    reader = EventStream()
    read(reader, chat("a"), part, b"data: [DONE]\n\n")
    assert reader.content.error == message


def test_half_an_event_is_a_stream_that_was_cut() -> None:
    reader = EventStream()
    read(reader, chat("a"), b'data: {"choices": [{"del')
    assert (reader.content.ended, reader.content.error) == (False, None)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error": {"message": "no room", "code": 500}}', "no room"),
        (b'{"error": "no room"}', "no room"),
        (b'{\n  "object": "error",\n  "message": "no room"\n}\n', "no room"),
        (b'{"choices": []}', "a JSON object instead of a stream of events"),
    ],
)
def test_a_json_object_is_the_error_that_it_says(body: bytes, message: str) -> None:
    for parts in ([body], [body[:5], body[5:]]):
        reader = EventStream()
        read(reader, *parts)
        assert (reader.content.ended, reader.content.error) == (False, message)
