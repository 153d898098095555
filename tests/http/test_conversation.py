"""A conversation reaches the chat template with everything that the template may know."""

from typing import Any

import pytest

from common.errors import InvalidValue, UnsupportedParameter
from common.http.conversation import render
from common.http.schemas import ChatBody
from common.models.model import DEMO_MODEL
from common.text.chat_template import ChatTemplate
from common.text.prompts import Prompts
from common.text.reasoning import detect_reasoning
from common.text.tokenizer import Tokenizer

TOKENIZER = Tokenizer(DEMO_MODEL)
CONTENT = "{{ messages[0].content }}"
EFFORT = "{{ reasoning_effort }}"
MARKED = "{{ '<think>' }}"
THINKING = "{{ enable_thinking is not defined or enable_thinking }}"


def rendered(source: str, messages: list[dict[str, Any]], **fields: Any) -> str:
    reasoning = detect_reasoning([source], ())
    prompts = Prompts(TOKENIZER, ChatTemplate(source, {}), None, 4096, reasoning)
    body = ChatBody.model_validate({"messages": messages, **fields})
    return render(body.messages, body, prompts, []).text


USER = [{"role": "user", "content": "Hello"}]


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_templates_get_an_earlier_reasoning_by_either_name(name: str) -> None:
    messages = [{"role": "assistant", "content": "4", name: "2 and 2"}]
    for used in ("reasoning", "reasoning_content"):
        assert rendered("{{ messages[0]." + used + " }}", messages) == "2 and 2"


@pytest.mark.parametrize(
    ("source", "effort", "expected"),
    [
        (EFFORT, "low", "low"),
        (EFFORT, "none", "none"),
        (EFFORT, None, ""),
        (THINKING, "none", "False"),
        (THINKING, "high", "True"),
        (THINKING, None, "True"),
        ("x", "high", "x"),
    ],
)
def test_an_effort_has_the_templates_own_name(
    source: str, effort: str | None, expected: str
) -> None:
    assert rendered(source + CONTENT, USER, reasoning_effort=effort) == f"{expected}Hello"


def test_the_templates_variables_of_a_request_win() -> None:
    fields = {"reasoning_effort": "high", "chat_template_kwargs": {"enable_thinking": False}}
    assert rendered(THINKING + CONTENT, USER, **fields) == "FalseHello"


@pytest.mark.parametrize(
    ("source", "fields", "refused"),
    [
        ("", {"chat_template_kwargs": {"date": "today"}}, "chat_template_kwargs"),
        ("", {"chat_template_kwargs": {"enable_thinking": True}}, "chat_template_kwargs"),
        ("", {"chat_template_kwargs": {"enable_thinking": False}}, None),
        ("", {"reasoning_effort": "none"}, None),
        (MARKED, {"chat_template_kwargs": {"enable_thinking": False}}, "chat_template_kwargs"),
        (MARKED, {"reasoning_effort": "none"}, "reasoning_effort"),
        (MARKED, {"reasoning_effort": "high"}, None),
        (MARKED + THINKING, {"reasoning_effort": "none"}, None),
        (MARKED + EFFORT, {"reasoning_effort": "none"}, None),
        ("{% set thinking = 1 %}{{ thinking }}", {"chat_template_kwargs": {"thinking": True}},
         "chat_template_kwargs"),
        ("{% if thinking is not defined %}{% set thinking = 1 %}{% endif %}{{ thinking }}",
         {"chat_template_kwargs": {"thinking": True}}, None),
        ("{% set thinking = thinking | default(1) %}{{ thinking }}",
         {"chat_template_kwargs": {"thinking": True}}, None),
    ],
)  # fmt: skip
def test_what_the_template_cannot_do_is_refused_unless_it_is_so_anyway(
    source: str, fields: dict[str, Any], refused: str | None
) -> None:
    if refused is None:
        assert "Hello" in rendered(source + CONTENT, USER, **fields)
        return
    with pytest.raises(UnsupportedParameter) as caught:
        rendered(source + CONTENT, USER, **fields)
    assert caught.value.param == refused


def test_a_message_that_the_template_hides_cannot_be_continued() -> None:
    messages = [*USER, {"role": "assistant", "content": "Good"}]
    with pytest.raises(InvalidValue, match="cannot be continued"):
        rendered(CONTENT, messages, continue_final_message=True)


def test_the_end_of_the_last_message_is_found_whatever_it_says() -> None:
    source = "{% for m in messages %}<e>{{ m.content | trim }}</e>{% endfor %}"
    messages = [*USER, {"role": "assistant", "content": " e"}]
    assert rendered(source, messages, continue_final_message=True) == "<e>Hello</e><e>e"


@pytest.mark.parametrize(
    ("message", "begun"),
    [
        ({"content": "Good"}, "Good"),
        ({}, ""),
        ({"content": ""}, ""),
        ({"content": []}, ""),
        ({"content": [{"type": "text", "text": "Good"}]}, "Good"),
        ({"content": [{"type": "text", "text": "Go"}, {"type": "text", "text": "od"}]}, "Good"),
    ],
)
def test_a_message_of_any_form_can_be_continued(message: dict[str, Any], begun: str) -> None:
    source = "{% for m in messages %}<e>{{ m.content }}</e>{% endfor %}"
    messages = [*USER, {"role": "assistant", **message}]
    assert rendered(source, messages, continue_final_message=True) == f"<e>Hello</e><e>{begun}"


def test_an_error_repeats_the_beginning_of_a_long_name_only() -> None:
    with pytest.raises(UnsupportedParameter) as caught:
        rendered(CONTENT, USER, chat_template_kwargs={"long " * 1000: 1})
    assert "long long" in caught.value.message
    assert len(caught.value.message) < 300
