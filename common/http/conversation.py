"""From a conversation to the text of its prompt, as the request wants it rendered."""

from collections.abc import Mapping, Sequence
from typing import Any

from common.errors import InvalidValue, UnsupportedParameter
from common.http.body import MAX_NAME
from common.http.messages import ChatMessage, for_template
from common.http.schemas import ConversationFields
from common.text.prompts import SWITCHES, Prompts, Rendered

CUT = "\ue000the answer goes on here\ue001"
"""Stands behind the last message, to find it in the prompt; the characters are of private use."""
NO_REASONING = "none"
EFFORT = "reasoning_effort"
"""The field, and the variable of templates."""
KWARGS = "chat_template_kwargs"


def render(
    messages: Sequence[ChatMessage],
    fields: ConversationFields,
    prompts: Prompts,
    tools: Sequence[Mapping[str, Any]],
    form: str | None = None,
) -> Rendered:
    """Returns the prompt. `form` is a field that asks for a form before which there is no
    reasoning.

    Raises InvalidValue and UnsupportedParameter.
    """
    plain = for_template(messages)
    begun = ""
    if fields.continue_final_message:
        begun, plain[-1]["content"] = _with_cut(plain[-1]["content"])
    arguments = _template_arguments(fields, prompts)

    def text_with(arguments: Mapping[str, Any]) -> str:
        text = prompts.render(plain, tools=tools, arguments=arguments)
        return _before_cut(text) if fields.continue_final_message else text

    text = text_with(arguments)
    thinking = prompts.thinking(text, begun)
    if form is not None and thinking is not None:
        thinking = None
        if prompts.reasons:
            off = prompts.without_reasoning(form, _asks_for_reasoning(fields))
            text = text_with({**arguments, **off})
    return Rendered(text, thinking)


def _with_cut(content: str | Sequence[Mapping[str, Any]] | None) -> tuple[str, Any]:
    """Returns the text of a message, and its content with the mark behind it."""
    if content is None or isinstance(content, str):
        return content or "", (content or "") + CUT
    texts = [part["text"] for part in content if part["type"] == "text"]
    parts = list(content)
    last = parts.pop() if parts and parts[-1]["type"] == "text" else {"type": "text", "text": ""}
    return "".join(texts), [*parts, {**last, "text": last["text"] + CUT}]


def _before_cut(text: str) -> str:
    begun, mark, _ = text.rpartition(CUT)
    if not mark:
        raise InvalidValue(
            "the chat template does not show the last message, so that it cannot be continued",
            param="continue_final_message",
        )
    return begun


def _template_arguments(fields: ConversationFields, prompts: Prompts) -> dict[str, Any]:
    """Returns the template's variables; those in chat_template_kwargs win."""
    arguments: dict[str, Any] = {}
    if fields.add_generation_prompt is not None:
        arguments["add_generation_prompt"] = fields.add_generation_prompt
    if fields.continue_final_message:
        arguments["add_generation_prompt"] = False
    if fields.reasoning_effort is not None:
        arguments |= _effort(fields.reasoning_effort, prompts)
    given = fields.chat_template_kwargs or {}
    _check_variables(given, prompts)
    return {**arguments, **given}


def _effort(effort: str, prompts: Prompts) -> dict[str, Any]:
    """Returns the variables that the template has for it: none where the model never reasons, or
    always does."""
    arguments = prompts.switches(on=effort != NO_REASONING)
    if EFFORT in prompts.variables:
        arguments[EFFORT] = effort
    if not arguments and prompts.reasons and effort == NO_REASONING:
        raise UnsupportedParameter(
            f"{EFFORT} cannot turn reasoning off: the model's chat template has no switch for it",
            param=EFFORT,
        )
    return arguments


def _check_variables(given: Mapping[str, Any], prompts: Prompts) -> None:
    """Raises UnsupportedParameter for a variable without effect, but for what is so anyway."""
    for name, value in given.items():
        off = name in SWITCHES and not value and not prompts.reasons
        if prompts.template is not None and name not in prompts.variables and not off:
            known = ", ".join(sorted(prompts.variables - {"messages", "tools"}))
            raise UnsupportedParameter(
                f"{KWARGS}: the model's chat template has no variable {name[:MAX_NAME]!r}; it has "
                f"{known}",
                param=KWARGS,
            )


def _asks_for_reasoning(fields: ConversationFields) -> str | None:
    """Returns the field by which a request asks for reasoning, if it does."""
    given = fields.chat_template_kwargs or {}
    if any(given.get(name) for name in SWITCHES):
        return KWARGS
    return EFFORT if fields.reasoning_effort not in (None, NO_REASONING) else None
