"""A request's tools become a grammar and a parser, and calls become chunks."""

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from common.errors import InvalidValue, UnsupportedParameter
from common.http.chat_frames import ChatFrames
from common.http.runtime import Runtime
from common.http.schemas import ChatBody
from common.http.tools import ToolUse, tool_use
from common.sampling import Sampling
from common.serving.answer import Delta
from common.serving.capabilities import Capabilities
from common.serving.job import Job
from common.text.tokenizer import Tokenizer
from services._xgrammar.schemas import xgrammar_0_2

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
LIMITED = {"type": "object", "properties": {"a": {"type": "string", "maxLength": 190}}}


def tool(name: str = "get_weather", parameters: Any = CITY, **fields: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": parameters, **fields}}


def use(form: str = "hermes", gaps: dict[str, str] | None = None, **fields: Any) -> ToolUse:
    body = {"messages": [{"role": "user", "content": "Hi"}], "tools": [tool()], **fields}
    capabilities = Capabilities("vllm", gaps or {}, xgrammar_0_2("vLLM"))
    tokenizer = SimpleNamespace(texts={True: SimpleNamespace(special={})})
    runtime = SimpleNamespace(capabilities=capabilities, tool_format=form, tokenizer=tokenizer)
    return tool_use(ChatBody.model_validate(body), cast(Runtime, runtime))


def test_tools_that_may_be_called_are_shown_and_looked_for_without_a_grammar() -> None:
    for choice in (None, "auto"):
        chosen = use(tool_choice=choice)
        assert chosen.grammar is None
        assert chosen.shown == [tool()]
        assert chosen.expected is not None
        assert chosen.expected.schemas == {"get_weather": CITY}
    assert use(tool_choice="none").parser() is None


def test_a_named_tool_is_the_only_one_that_may_be_called() -> None:
    named = {"type": "function", "function": {"name": "b"}}
    chosen = use(tools=[tool("a"), tool("b", None)], tool_choice=named)
    assert chosen.expected is not None
    assert chosen.expected.schemas == {"b": {"type": "object"}}
    assert chosen.expected.only_calls
    assert chosen.grammar is not None
    assert (len(chosen.grammar.calls), chosen.grammar.marker) == (1, None)


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidValue, match=r"tools\[1\].function.name: another tool has the name"):
        use(tools=[tool("a"), tool("a", None)])


def test_parallel_calls_may_be_forbidden() -> None:
    chosen = use(tool_choice="required", parallel_tool_calls=False)
    assert chosen.grammar is not None
    assert not chosen.grammar.several
    assert chosen.expected is not None
    assert not chosen.expected.several


def test_only_strict_tools_are_held_to_their_schemas_where_text_is_allowed() -> None:
    chosen = use(tools=[tool("a", strict=True), tool("b", {"not": {}})])
    assert chosen.grammar is not None
    assert chosen.grammar.marker == "<tool_call>"
    schemas = [call.schema["properties"]["arguments"] for call in chosen.grammar.calls]
    assert schemas == [CITY, {"type": "object"}]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [tool(), tool("b", {"not": {}})]}, "tools[1].function.parameters"),
        ({"tools": [tool(parameters={"type": "string"})]}, "tools[0].function.parameters"),
        ({"tools": [tool(f"t{n}", LIMITED) for n in range(3)]}, "tools[1].function.parameters"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
    ],
)
def test_what_cannot_be_enforced_is_refused_where_a_call_is_forced(
    fields: dict[str, Any], param: str
) -> None:
    with pytest.raises((InvalidValue, UnsupportedParameter)) as refused:
        use(tool_choice="required", **fields)
    assert refused.value.param == param


@pytest.mark.parametrize(
    ("form", "gaps"), [("hermes", {"tool_choice": "it has no grammars"}), ("llama3_json", {})]
)
def test_strict_is_refused_where_calls_among_text_have_no_grammar(
    form: str, gaps: dict[str, str]
) -> None:
    with pytest.raises(UnsupportedParameter) as refused:
        use(form, gaps, tools=[tool("a"), tool("b", strict=True)])
    assert refused.value.param == "tools[1].function.strict"


PIECES = [
    "Look",
    ": <tool",
    '_call>\n{"name": "get_weather", "arg',
    'uments": {"ci',
    'ty": "Kö',
    "ln",
]
REST = [
    '"}}\n</tool_call>',
    '\n<tool_call>\n{"name": "get_weather", "arguments": {}}\n</tool_call>',
]


def frames() -> ChatFrames:
    job = Job("name", [[1]], Sampling(9))
    body = ChatBody.model_validate({"messages": [{"role": "user", "content": "Hi"}]})
    return ChatFrames("demo", job, cast(Tokenizer, None), use().parser, body)


def deltas(*pieces: str, finish: Any = "stop") -> list[Delta]:
    return [*(Delta(0, piece) for piece in pieces), Delta(0, "", finish)]


def chunks(every: list[Delta]) -> list[dict[str, Any]]:
    writer = frames()
    data = b"".join(writer.delta(delta) for delta in every).decode()
    events = [json.loads(line.removeprefix("data: ")) for line in data.split("\n\n") if line]
    return [event["choices"][0] for event in events]


def test_a_call_streams_name_first_and_then_its_arguments_as_they_come() -> None:
    choices = chunks(deltas(*PIECES, *REST))
    parts = [part for choice in choices for part in choice["delta"].get("tool_calls", [])]
    assert [part["index"] for part in parts] == [0, 0, 0, 0, 1]
    assert [part["function"].get("name") for part in parts] == [
        "get_weather", None, None, None, "get_weather",
    ]  # fmt: skip
    assert [part["function"]["arguments"] for part in parts] == [
        '{"ci', 'ty": "Kö', "ln", '"}', "{}",
    ]  # fmt: skip
    assert ["id" in part for part in parts] == [True, False, False, False, True]
    assert "".join(choice["delta"].get("content", "") for choice in choices) == "Look: "
    assert choices[-1]["finish_reason"] == "tool_calls"


def test_the_answer_as_one_object_is_the_same() -> None:
    message = frames().response(deltas(*PIECES, *REST))["choices"][0]["message"]
    assert message["content"] == "Look: "
    arguments = [call["function"]["arguments"] for call in message["tool_calls"]]
    assert arguments == ['{"city": "Köln"}', "{}"]


def test_a_call_that_is_cut_is_a_call_that_ends_by_length() -> None:
    choice = frames().response(deltas(*PIECES, finish="length"))["choices"][0]
    assert choice["finish_reason"] == "length"
    (call,) = choice["message"]["tool_calls"]
    assert call["function"]["arguments"] == '{"city": "Köln'
