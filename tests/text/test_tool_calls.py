"""Tool calls are found in text however it is cut, and other text is never lost."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.text.tool_calls import FORMATS, CallPart, ExpectedCalls, detect_format

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
ARGUMENTS = '{"city": "Köln"}'
CALL = f'<tool_call>\n{{"name": "get_weather", "arguments": {ARGUMENTS}}}\n</tool_call>'
OTHER = '<tool_call>{"name": "get_time", "arguments": {}}</tool_call>'
TURNED = f'<tool_call>{{"arguments": {ARGUMENTS}, "name": "get_weather"}}</tool_call>'
LLAMA = f'{{"name": "get_weather", "parameters": {ARGUMENTS}}}'
QWEN = (
    "<tool_call>\n<function=get_weather>\n<parameter=city>\nKöln\n</parameter>\n"
    "<parameter=days>\n3\n</parameter>\n</function>\n</tool_call>"
)
GLM = (
    "<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Köln</arg_value>\n"
    "<arg_key>days</arg_key>\n<arg_value>3</arg_value>\n</tool_call>"
)
WEATHER = ("get_weather", ARGUMENTS)
TIME = ("get_time", "{}")
TYPED = ("get_weather", '{"city": "Köln", "days": 3}')
Parsed = tuple[str, list[tuple[str, str]]]


def parse(form: str, pieces: list[str], *, several: bool = True) -> Parsed:
    """Returns the content, and the name and arguments of each call."""
    parser = FORMATS[form].form.parser(ExpectedCalls(SCHEMAS, several))
    results = [parser.feed(piece) for piece in pieces] + [parser.finish()]
    calls: dict[int, tuple[str, str]] = {}
    for part in (part for _, parts in results for part in parts):
        if part.id is not None:
            assert part.id.startswith("call_")
            assert part.call == len(calls)
            calls[part.call] = (str(part.name), "")
        name, arguments = calls[part.call]
        calls[part.call] = (name, arguments + part.arguments)
    return "".join(text for text, _ in results), list(calls.values())


CASES: list[tuple[str, str, Parsed]] = [
    ("hermes", CALL, ("", [WEATHER])),
    ("hermes", CALL + "\n" + OTHER, ("", [WEATHER, TIME])),
    ("hermes", "I look. " + CALL, ("I look. ", [WEATHER])),
    ("hermes", CALL + " Done. " + OTHER, (" Done. ", [WEATHER, TIME])),
    ("hermes", TURNED + OTHER, ("", [WEATHER, TIME])),
    ("hermes", '<tool_call>{"name": "get_time"}</tool_call>', ("", [TIME])),
    ("hermes", "Hello < there <tool_", ("Hello < there <tool_", [])),
    ("hermes", "<tool_call>no JSON</tool_call>", ("<tool_call>no JSON</tool_call>", [])),
    ("hermes", "<tool_call>[1]</tool_call> b", ("<tool_call>[1]</tool_call> b", [])),
    ("hermes", "The mark <tool_call> is text.", ("The mark <tool_call> is text.", [])),
    ("hermes", '<tool_call>{"name": "a', ('<tool_call>{"name": "a', [])),
    ("hermes", OTHER.replace("get_time", "delete"), (OTHER.replace("get_time", "delete"), [])),
    ("hermes", CALL.removesuffix("</tool_call>"), ("", [WEATHER])),
    ("hermes", TURNED.removesuffix("</tool_call>"), ("", [WEATHER])),
    ("hermes", CALL.removesuffix("\n</tool_call>") + OTHER, ("", [WEATHER, TIME])),
    ("hermes", CALL.partition("Köln")[0], ("", [("get_weather", '{"city": "')])),
    ("hermes", CALL.replace("Köln", "</tool_call>"),
     ("", [("get_weather", '{"city": "</tool_call>"}')])),
    ("hermes", CALL.replace('"Köln"', "Köln"), ("", [("get_weather", '{"city": Köln}')])),
    ("hermes", CALL.replace('"}}', '"') + "!", ("!", [("get_weather", '{"city": "Köln"\n')])),
    ("hermes", "", ("", [])),
    ("llama3_json", LLAMA, ("", [WEATHER])),
    ("llama3_json", "  " + LLAMA + "\n", ("", [WEATHER])),
    ("llama3_json", LLAMA + "; " + LLAMA, ("", [WEATHER, WEATHER])),
    ("llama3_json", LLAMA + " That is all.", (" That is all.", [WEATHER])),
    ("llama3_json", f'{{"parameters": {ARGUMENTS}, "name": "get_weather"}}', ("", [WEATHER])),
    ("llama3_json", "Just text {a}", ("Just text {a}", [])),
    ("llama3_json", "Sets: " + LLAMA, ("Sets: " + LLAMA, [])),
    ("llama3_json", '{"no": "call"}', ('{"no": "call"}', [])),
    ("llama3_json", '{"name": "Alice", "age": 30}', ('{"name": "Alice", "age": 30}', [])),
    ("llama3_json", '{"name": "get_time"}', ('{"name": "get_time"}', [])),
    ("llama3_json", '{"parameters": {}, "x": 1}', ('{"parameters": {}, "x": 1}', [])),
    ("llama3_json", '{"name": "get_t', ('{"name": "get_t', [])),
    ("llama3_json", LLAMA.partition("Köln")[0], ("", [("get_weather", '{"city": "')])),
    ("llama3_json", "", ("", [])),
    ("qwen3_coder", QWEN, ("", [TYPED])),
    ("qwen3_coder", "I look.\n" + QWEN + "\n" + QWEN, ("I look.\n", [TYPED, TYPED])),
    ("qwen3_coder", "<tool_call>\n<function=delete>\n</function>\n</tool_call>",
     ("<tool_call>\n<function=delete>\n</function>\n</tool_call>", [])),
    ("qwen3_coder", "A <tool_call> mark", ("A <tool_call> mark", [])),
    ("qwen3_coder", QWEN[:90], ("", [("get_weather", '{"city": "Köln", "days": 3')])),
    ("glm", GLM, ("", [TYPED])),
    ("glm", "So: " + GLM, ("So: ", [TYPED])),
    ("glm", "<tool_call>get_time\n</tool_call>", ("", [TIME])),
    ("glm", "<tool_call>get_tim</tool_call>", ("<tool_call>get_tim</tool_call>", [])),
    ("glm", "A <tool_call> mark", ("A <tool_call> mark", [])),
]  # fmt: skip


@pytest.mark.parametrize(("form", "text", "expected"), CASES)
def test_text_and_calls_are_told_apart(form: str, text: str, expected: Parsed) -> None:
    assert parse(form, [text]) == expected


@pytest.mark.parametrize(("form", "text", "expected"), CASES)
def test_a_cut_at_any_place_gives_the_same(form: str, text: str, expected: Parsed) -> None:
    for place in range(len(text) + 1):
        assert parse(form, [text[:place], text[place:]]) == expected, place
    assert parse(form, list(text)) == expected


PIECES = [
    *(CALL, OTHER, TURNED, LLAMA, QWEN, GLM, "<tool_call>", "</tool_call>", "</function>"),
    *('{"name": "', "get_weather", '", "arguments": ', '"parameters": ', '{"', '"', "\\", "<"),
    *("{", "}", "[", "]", ";", ":", ",", " ", "\n", "Köln", "<function=get_time>", "get_time"),
    *("<arg_key>a</arg_key>", "<arg_value>1</arg_value>", "<parameter=a>", "</parameter>"),
]


@settings(max_examples=300, deadline=None)
@given(
    form=st.sampled_from(["hermes", "llama3_json", "qwen3_coder", "glm"]),
    parts=st.lists(st.sampled_from(PIECES), max_size=12),
    places=st.lists(st.floats(0, 1), max_size=6),
    several=st.booleans(),
)
def test_any_text_cut_anywhere_gives_the_same(
    form: str, parts: list[str], places: list[float], several: bool
) -> None:
    text = "".join(parts)
    cuts = [0, *sorted(int(place * len(text)) for place in places), len(text)]
    pieces = [text[start:end] for start, end in pairwise(cuts)]
    whole = parse(form, [text], several=several)
    assert parse(form, pieces, several=several) == whole
    assert parse(form, list(text), several=several) == whole
    assert len(whole[1]) <= 1 or several


def test_text_without_a_call_is_shown_at_once() -> None:
    parser = FORMATS["hermes"].form.parser(ExpectedCalls(SCHEMAS))
    assert parser.feed("Hello") == ("Hello", [])
    assert parser.feed(" <") == (" ", [])
    assert parser.feed("b") == ("<b", [])


@pytest.mark.parametrize("text", ["A set {1, 2", '{"name": "Al', '{"a'])
def test_text_that_cannot_become_a_llama_call_streams_on(text: str) -> None:
    parser = FORMATS["llama3_json"].form.parser(ExpectedCalls(SCHEMAS))
    assert parser.feed(text) == (text, [])
    assert parser.feed(" and {") == (" and {", [])


@pytest.mark.parametrize(("form", "text"), [("hermes", CALL), ("llama3_json", LLAMA)])
def test_arguments_come_as_the_model_writes_them(form: str, text: str) -> None:
    parser = FORMATS[form].form.parser(ExpectedCalls(SCHEMAS))
    start = text.index(ARGUMENTS)
    assert parser.feed(text[:start]) == ("", [])
    _, [name, *more] = parser.feed("{")
    assert (name.call, name.name, more) == (0, "get_weather", [CallPart(0, "{")])
    assert parser.feed('"city"') == ("", [CallPart(0, '"city"')])
    assert parser.feed(text[start + 7 :]) == ("", [CallPart(0, ARGUMENTS[7:])])


def test_only_the_first_call_is_taken_where_one_is_kept() -> None:
    assert parse("hermes", [CALL + "\n" + OTHER], several=False) == ("", [WEATHER])
    assert parse("llama3_json", [LLAMA + ";" + LLAMA], several=False) == ("", [WEATHER])


def test_where_an_answer_is_calls_alone_a_cut_one_is_no_text() -> None:
    parser = FORMATS["hermes"].form.parser(ExpectedCalls(SCHEMAS, only_calls=True))
    assert parser.feed(CALL[:25]) == ("", [])
    assert parser.finish() == ("", [])
    assert parser.calls == 0


def test_arguments_that_are_text_already_are_not_encoded_twice() -> None:
    text = '<tool_call>{"name": "get_time", "arguments": "{\\"b\\": 1}"}</tool_call>'
    assert parse("hermes", [text]) == ("", [("get_time", '{"b": 1}')])


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("city", "3", "3"),
        ("days", "3", 3),
        ("days", "three", "three"),
        ("days", "true", "true"),
        ("units", "null", None),
        ("units", "metric", "metric"),
        ("where", '{"a": [1]}', {"a": [1]}),
        ("other", "3", "3"),
    ],
)
def test_an_argument_in_tags_has_the_type_of_its_schema(name: str, text: str, value: Any) -> None:
    argument = f"<parameter={name}>\n{text}\n</parameter>"
    call = f"<tool_call>\n<function=get_weather>\n{argument}\n</function>\n</tool_call>"
    _, [(_, arguments)] = parse("qwen3_coder", [call])
    assert json.loads(arguments) == {name: value}


@pytest.mark.parametrize(
    ("template", "form"),
    [
        ("{% for m in messages %}{{ m.content }}{% endfor %}", None),
        ("{% if tools %}<tool_call>{% endif %}", "hermes"),
        ('{% if tools %}{"name": x, "parameters": y}{% endif %}', "llama3_json"),
        ("{% if tools %}<tool_call>\n<function=f>{% endif %}", "qwen3_coder"),
        ("{% if tools %}<tool_call>{f}\n<arg_key>{% endif %}", "glm"),
        ("{% if tools %}something else{% endif %}", None),
    ],
)
def test_the_format_is_read_from_the_template(template: str, form: str | None) -> None:
    assert detect_format(template) == form
