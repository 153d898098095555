"""A request for a response becomes one for a chat, which the pipeline takes."""

from typing import Any

from common.errors import InvalidValue
from common.http.messages import (
    ChatMessage,
    ContentPart,
    Function,
    FunctionCall,
    ImagePart,
    NamedFunction,
    NamedTool,
    Tool,
    ToolCall,
    ToolChoice,
)
from common.http.responses.items import (
    FunctionCallItem,
    FunctionCallOutput,
    InputImage,
    MessageItem,
    ReasoningItem,
    joined,
)
from common.http.responses.schemas import AllowedTools, ChosenFunction, FunctionTool, ResponsesBody
from common.http.schemas import ChatBody, SamplingFields
from common.http.structure import ResponseFormat

NAMES = {
    "messages": "input",
    "max_completion_tokens": "max_output_tokens",
    "response_format": "text.format",
    "reasoning_effort": "reasoning.effort",
    "logprobs": "include",
}
"""Fields of a chat, and the fields of a response that they are made of."""


def chat_body(body: ResponsesBody) -> ChatBody:
    """Returns the chat that asks for the same. Raises InvalidValue."""
    values: dict[str, Any] = {name: getattr(body, name) for name in SamplingFields.model_fields}
    tools, choice = _tools(body)
    if body.form is not None:
        values["response_format"] = _form(body)
    return ChatBody.model_construct(
        **values,
        model=body.model,
        messages=messages(body),
        max_completion_tokens=body.max_output_tokens,
        tools=tools or None,
        tool_choice=None if choice == "auto" and not tools else choice,
        parallel_tool_calls=body.parallel_tool_calls,
        reasoning_effort=None if body.reasoning is None else body.reasoning.effort,
        chat_template_kwargs=body.chat_template_kwargs,
        logprobs=body.has_logprobs or None,
        top_logprobs=body.top_logprobs,
    )


def messages(body: ResponsesBody) -> list[ChatMessage]:
    """Returns the conversation; items of the assistant that follow each other are one message."""
    chat = []
    if body.instructions:
        chat.append(ChatMessage(role="system", content=body.instructions))
    if isinstance(body.input, str):
        return [*chat, ChatMessage(role="user", content=body.input)]
    for index, item in enumerate(body.input):
        if isinstance(item, FunctionCallOutput):
            chat.append(
                ChatMessage(role="tool", content=joined(item.output), tool_call_id=item.call_id)
            )
        elif isinstance(item, MessageItem) and item.role != "assistant":
            chat.append(ChatMessage(role=item.role, content=_content(item, index)))
        else:
            _add(chat, item)
    return chat


def _content(item: MessageItem, index: int) -> str | list[ContentPart | ImagePart]:
    """Returns the content of the item at `index`: its text as one where it has no images."""
    if not any(isinstance(part, InputImage) for part in item.content):
        return joined(item.content)
    return [
        ImagePart.at(f"input[{index}].content[{place}]", part.image_url)
        if isinstance(part, InputImage)
        else ContentPart(type="text", text=joined([part]))
        for place, part in enumerate(item.content)
        if not isinstance(part, str)
    ]


def _add(chat: list[ChatMessage], item: MessageItem | FunctionCallItem | ReasoningItem) -> None:
    """Add what the assistant said, thought or called to its message."""
    last = chat[-1] if chat and chat[-1].role == "assistant" else None
    begins = isinstance(item, ReasoningItem) or (
        isinstance(item, MessageItem) and last is not None and last.content is not None
    )
    if last is None or begins:
        last = ChatMessage(role="assistant")
        chat.append(last)
    if isinstance(item, ReasoningItem):
        last.reasoning = joined(item.content) or joined(item.summary) or None
    elif isinstance(item, MessageItem):
        last.content = joined(item.content)
    else:
        function = FunctionCall(name=item.name, arguments=item.arguments)
        call = ToolCall(id=item.call_id, function=function)
        last.tool_calls = [*(last.tool_calls or ()), call]


def _tools(body: ResponsesBody) -> tuple[list[Tool], ToolChoice | None]:
    """Returns the tools that may be called, and the choice among them."""
    given, choice = body.tools or [], body.tool_choice
    if isinstance(choice, ChosenFunction):
        function = NamedFunction(name=choice.name)
        return _functions(given), NamedTool(type="function", function=function)
    if not isinstance(choice, AllowedTools):
        return _functions(given), choice
    names = {tool.name for tool in choice.tools}
    unknown = names - {tool.name for tool in given}
    if unknown:
        raise InvalidValue(f"tool_choice names {min(unknown)!r}, no tool", param="tool_choice")
    return _functions([tool for tool in given if tool.name in names]), choice.mode


def _functions(tools: list[FunctionTool]) -> list[Tool]:
    return [
        Tool(type="function", function=Function(**tool.model_dump(exclude={"type"})))
        for tool in tools
    ]


def _form(body: ResponsesBody) -> ResponseFormat:
    form = body.form
    assert form is not None
    schema = form.schema_format() if form.type == "json_schema" else None
    return ResponseFormat.model_construct(type=form.type, json_schema=schema)
