"""Tool calls are found in text however it is cut, and other text is never lost."""

import json

import pytest

from common.text.tool_calls import ToolCallParser, detect_format

CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Köln"}}\n</tool_call>'
OTHER = '<tool_call>{"name": "get_time", "arguments": {}}</tool_call>'
LLAMA = '{"name": "get_weather", "parameters": {"city": "Köln"}}'
Found = tuple[str, list[tuple[str, object]]]


def parse(form: str, pieces: list[str]) -> Found:
    parser = ToolCallParser(form)
    results = [parser.feed(piece) for piece in pieces] + [parser.finish()]
    calls = [call for _, found in results for call in found]
    assert parser.calls == len(calls)
    assert len({call.id for call in calls}) == len(calls)
    parsed = [(call.name, json.loads(call.arguments)) for call in calls]
    return "".join(text for text, _ in results), parsed


WEATHER = ("get_weather", {"city": "Köln"})
CASES = [
    ("hermes", CALL, ("", [WEATHER])),
    ("hermes", CALL + "\n" + OTHER, ("", [WEATHER, ("get_time", {})])),
    ("hermes", "I look. " + CALL, ("I look. ", [WEATHER])),
    ("hermes", CALL + " Done. " + OTHER, (" Done. ", [WEATHER, ("get_time", {})])),
    ("hermes", "Hello < there <tool_", ("Hello < there <tool_", [])),
    ("hermes", "<tool_call>no JSON</tool_call>", ("<tool_call>no JSON</tool_call>", [])),
    ("hermes", "<tool_call>[1]</tool_call> b", ("<tool_call>[1]</tool_call> b", [])),
    ("hermes", '<tool_call>{"name": "a', ('<tool_call>{"name": "a', [])),
    ("hermes", CALL.removesuffix("</tool_call>"), ("", [WEATHER])),
    ("hermes", "", ("", [])),
    ("llama3_json", LLAMA, ("", [WEATHER])),
    ("llama3_json", "  " + LLAMA + "\n", ("", [WEATHER])),
    ("llama3_json", "Just text {a}", ("Just text {a}", [])),
    ("llama3_json", '{"no": "call"}', ('{"no": "call"}', [])),
    ("llama3_json", '{"name": "a"', ('{"name": "a"', [])),
    ("llama3_json", "", ("", [])),
]


@pytest.mark.parametrize(("form", "text", "expected"), CASES)
def test_text_and_calls_are_told_apart(form: str, text: str, expected: Found) -> None:
    assert parse(form, [text]) == expected


@pytest.mark.parametrize(("form", "text", "expected"), CASES)
def test_a_cut_at_any_place_gives_the_same(form: str, text: str, expected: Found) -> None:
    for place in range(len(text) + 1):
        assert parse(form, [text[:place], text[place:]]) == expected, place
    assert parse(form, list(text)) == expected


def test_text_without_a_call_is_shown_at_once() -> None:
    parser = ToolCallParser("hermes")
    assert parser.feed("Hello") == ("Hello", [])
    assert parser.feed(" <") == (" ", [])
    assert parser.feed("b") == ("<b", [])


def test_a_call_is_told_as_soon_as_it_is_complete() -> None:
    parser = ToolCallParser("hermes")
    text, calls = parser.feed(CALL)
    assert text == ""
    assert [call.name for call in calls] == ["get_weather"]
    assert calls[0].id.startswith("call_")


def test_arguments_that_are_text_already_are_not_encoded_twice() -> None:
    _, calls = ToolCallParser("hermes").feed(
        '<tool_call>{"name": "a", "arguments": "{\\"b\\": 1}"}</tool_call>'
    )
    assert json.loads(calls[0].arguments) == {"b": 1}


@pytest.mark.parametrize(
    ("template", "form"),
    [
        ("{% for m in messages %}{{ m.content }}{% endfor %}", None),
        ("{% if tools %}<tool_call>{% endif %}", "hermes"),
        ('{% if tools %}{"name": x, "parameters": y}{% endif %}', "llama3_json"),
        ("{% if tools %}something else{% endif %}", None),
    ],
)
def test_the_format_is_read_from_the_template(template: str, form: str | None) -> None:
    assert detect_format(template) == form
