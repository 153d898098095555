"""Templates take messages in different forms; each gets its own, and loses none of them."""

from typing import Any

import pytest

from common.errors import InvalidValue
from common.text.chat_template import ChatTemplate

PARTS = [{"type": "text", "text": "one "}, {"type": "text", "text": "two"}]
AS_TEXT = "{% for m in messages %}{{ m.role }}: {{ m.content + '\n' }}{% endfor %}"
AS_PARTS = (
    "{% for m in messages %}{{ m.role + ':' }}{% for p in m.content if p.type == 'text' %}"
    "{{ ' ' + p.text }}{% endfor %}{{ '\n' }}{% endfor %}"
)
AS_EITHER = (
    "{% for m in messages %}{{ m.role + ':' }}{% if m.content is string %}{{ ' ' + m.content }}"
    "{% else %}{% for p in m.content %}{{ ' ' + p.text }}{% endfor %}{% endif %}{{ '\n' }}"
    "{% endfor %}"
)
CALLS = "{% for m in messages %}{{ m.content or '' }}{% for c in m.tool_calls or [] %}"
END = "{% endfor %}{% endfor %}"


def render(source: str, *messages: dict[str, Any], **options: Any) -> str:
    return ChatTemplate(source, {}).render(messages, **options)


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def called(call_id: str = "call_1", content: str | None = None) -> dict[str, Any]:
    function = {"name": "weather", "arguments": '{"place": "Rome"}'}
    calls = [{"id": call_id, "type": "function", "function": function}]
    return {"role": "assistant", "content": content, "tool_calls": calls}


@pytest.mark.parametrize(
    ("source", "text", "parts"),
    [
        (AS_TEXT, "user: one two\n", "user: one two\n"),
        (AS_PARTS, "user: one two\n", "user: one  two\n"),
        (AS_EITHER, "user: one two\n", "user: one  two\n"),
        ("{{ messages | tojson }}", None, None),
    ],
)
def test_content_comes_as_the_template_takes_it(
    source: str, text: str | None, parts: str | None
) -> None:
    if text is None:
        assert '"content": "one two"' in render(source, user(PARTS))
        return
    assert render(source, user("one two")) == text
    assert render(source, user(PARTS)) == parts


def test_each_role_has_a_form_of_its_own() -> None:
    first = "{% if messages[0].role == 'system' %}{{ messages[0].content | trim + '|' }}{% endif %}"
    source = first + AS_PARTS.replace("messages %}", "messages if m.role != 'system' %}")
    system = {"role": "system", "content": [{"type": "text", "text": "Be short."}]}
    assert render(source, system, user("Hi")) == "Be short.|user: Hi\n"


def test_a_template_that_refuses_text_gets_parts_of_every_role() -> None:
    strict = "{% if m.content is string %}{{ raise_exception('parts') }}{% endif %}"
    source = AS_PARTS.replace("{{ m.role", strict + "{{ m.role")
    messages = [
        {"role": "system", "content": "Hush"},
        user("Hi"),
        {**user("Yes"), "role": "assistant"},
    ]
    assert render(source, *messages) == "system: Hush\nuser: Hi\nassistant: Yes\n"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (CALLS + "{{ c.function.arguments | tojson }}" + END, '{"place": "Rome"}'),
        (CALLS + "{{ c.function.name + c.function.arguments }}" + END, 'weather{"place": "Rome"}'),
        (
            CALLS
            + "{% for k, v in c.function.arguments.items() %}{{ k + '=' + v }}{% endfor %}"
            + END,
            "place=Rome",
        ),
    ],
)
def test_arguments_of_a_call_come_as_the_template_takes_them(source: str, expected: str) -> None:
    shown = source.replace("{{ m.content", "{{ m.role }}{{ m.content")
    assert expected in render(
        shown
        + "{% for m in messages %}{% for c in m.tool_calls or [] %}{{ c.function.name }}"
        + END,
        called(),
    )


def test_a_template_that_asks_for_null_beside_calls_gets_it() -> None:
    source = (
        "{% for m in messages %}{% if m.content is none %}{{ m.tool_calls[0].function.name }}"
        "{% else %}{{ m.content }}{% endif %}{% endfor %}"
    )
    assert render(source, user("Hi "), called()) == "Hi weather"


def test_long_ids_are_shortened_alike_where_the_template_wants_nine_characters() -> None:
    check = "{% if c.id | length != 9 %}{{ raise_exception('nine') }}{% endif %}{{ c.id }}"
    source = CALLS + "{{ c.function.arguments | tojson }}" + check + END
    source += (
        "{% for m in messages if m.tool_call_id %}{{ '<' + m.tool_call_id + '>' }}{% endfor %}"
    )
    source += "{% for m in messages %}{% for c in m.tool_calls or [] %}{{ c.function.name }}" + END
    result = {"role": "tool", "tool_call_id": "call_1", "content": "18"}
    text = render(source, called(), result)
    call_id = text.partition('"}')[2][:9]
    assert f"<{call_id}>" in text
    assert "a1b2c3d4e" in render(
        source, called("a1b2c3d4e"), {**result, "tool_call_id": "a1b2c3d4e"}
    )


VANISHING = "{% for m in messages if m.role == 'assistant' %}{{ m.content }}{% endfor %}"


@pytest.mark.parametrize(
    ("source", "messages", "role"),
    [
        (VANISHING, [user("Hello")], "user"),
        (VANISHING, [user("user")], "user"),
        ("{{ messages[-1].content }}", [user("Hello"), user("there")], "user"),
        (
            "{{ messages[-1].content }}",
            [{"role": "system", "content": "Hush"}, user("Hi")],
            "system",
        ),
        ("{% for m in messages %}{{ m.content[0].text }}{% endfor %}", [user(PARTS)], "user"),
        (AS_TEXT, [user("Hi"), called(content="")], "assistant"),
    ],
)
def test_a_message_that_leaves_no_trace_is_refused(
    source: str, messages: list[dict[str, Any]], role: str
) -> None:
    with pytest.raises(InvalidValue, match=f"leaves out message .* of the role '{role}'") as caught:
        render(source, *messages)
    assert caught.value.param == "messages"


@pytest.mark.parametrize(
    ("source", "messages"),
    [
        ("{{ messages | tojson }}", [user('a "quoted" line\nand another')]),
        ("{% for m in messages %}{{ m.content | upper }}{% endfor %}", [user("hello")]),
        ("{% for m in messages %}{{ m.content | trim }}{% endfor %}", [user("  hello \n")]),
        (AS_TEXT, [user("")]),
        (AS_TEXT, [user(" ")]),
        ("{{ messages[1].content }}{{ messages[0].content }}", [user("a b"), user("c d")]),
        (
            "{% for m in messages %}{{ m.content.split('</think>')[-1] }}{% endfor %}",
            [user("Hi"), {"role": "assistant", "content": "<think>all of it</think>"}],
        ),
    ],
)
def test_what_is_written_in_another_form_is_no_loss(
    source: str, messages: list[dict[str, Any]]
) -> None:
    assert render(source, *messages) is not None


def test_reasoning_has_the_names_that_templates_read() -> None:
    source = "{% for m in messages %}{{ m.thinking + m.reasoning_content }}{% endfor %}"
    message = {"role": "assistant", "content": "", "reasoning": "because "}
    assert render(source, message) == "because because "
