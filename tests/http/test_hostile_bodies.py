"""Bodies that are to cost much or to break something: one problem is enough to refuse them."""

import json
from collections.abc import Mapping

import pytest
from pydantic import BaseModel, ValidationError

from common.http.messages import ChatMessage, for_template
from common.http.schemas import ChatBody, CompletionBody
from common.text.tool_calls import FORMATS, ExpectedCalls

MANY = 100_000
USER = [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (ChatBody, {"messages": [1] * MANY}),
        (ChatBody, {"messages": USER, "tools": [1] * 1024}),
        (ChatBody, {"messages": [{"role": "user", "content": [1] * MANY}]}),
        (ChatBody, {"messages": USER, "logit_bias": {str(n): "x" for n in range(MANY)}}),
        (ChatBody, {"messages": USER, **{f"field{n}": n for n in range(MANY)}}),
        (ChatBody, {"messages": [{f"field{n}": n for n in range(MANY)}]}),
        (CompletionBody, {"prompt": ["", 1] * MANY}),
        (CompletionBody, {"prompt": [["x"] * MANY] * 10}),
        (CompletionBody, {"prompt": "hi", "stop_token_ids": ["x"] * MANY}),
    ],
)
def test_a_huge_wrong_body_makes_few_errors(
    model: type[BaseModel], body: Mapping[str, object]
) -> None:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(body)
    assert caught.value.error_count() < 12


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a": "\\ud83d"}', "{", ""])
def test_arguments_that_are_no_json_reach_the_template_as_text(text: str) -> None:
    call = {"id": "1", "function": {"name": "f", "arguments": text}}
    message = ChatMessage.model_validate({"role": "assistant", "tool_calls": [call]})
    (plain,) = for_template([message])
    assert plain["tool_calls"][0]["function"]["arguments"] == text


@pytest.mark.parametrize(
    "inner",
    ["[" * 100_000, '{"arguments": {"a": "\\ud83d"}, "name": "f"}', '{"name": 1}', "[]"],
)
def test_what_only_looks_like_a_tool_call_is_shown_as_text(inner: str) -> None:
    parser = FORMATS["hermes"].form.parser(ExpectedCalls({"f": {}}))
    spoken = f"<tool_call>{inner}</tool_call>"
    text, calls = parser.feed(spoken)
    rest, last = parser.finish()
    assert (text + rest, calls + last) == (spoken, [])
    assert json.dumps(text + rest).isascii()
