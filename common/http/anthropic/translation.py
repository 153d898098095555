"""From Anthropic's bodies to the body of a chat, and the names of its fields back again."""

from collections.abc import Iterator
from typing import Any

from common.errors import InvalidValue
from common.http.anthropic.blocks import (
    ImageBlock,
    MessageParam,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
)
from common.http.anthropic.schemas import CountTokensBody, MessagesBody, ToolChoiceParam
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
from common.http.schemas import MAX_MESSAGES, ChatBody
from common.http.structure import JSONSchemaFormat, ResponseFormat

ERROR = "Error: "
"""Begins the result of a call that has failed: templates know no other sign of that."""
NAMES = {
    "reasoning_effort": "thinking",
    "function.parameters": "input_schema",
    "response_format": "output_config.format",
    "continue_final_message": "messages",
}
"""Fields of a chat, in its errors, and what they have been translated from."""


def chat_body(body: CountTokensBody) -> ChatBody:
    """Returns the same request as a chat. Raises InvalidValue."""
    _check_last(body.messages[-1])
    turns = enumerate(body.messages)
    messages = [*_system(body), *(each for place, turn in turns for each in _messages(turn, place))]
    if len(messages) > MAX_MESSAGES:
        raise InvalidValue(
            f"messages: at most {MAX_MESSAGES} are allowed, with each tool_result counted as one",
            param="messages",
        )
    config = body.output_config
    form = None if config is None else config.format
    fields: dict[str, Any] = {
        "messages": messages,
        "continue_final_message": body.messages[-1].role == "assistant" or None,
        "reasoning_effort": _effort(body),
        "include_reasoning": body.thinking is None or body.thinking.display != "omitted",
        "response_format": form
        and ResponseFormat(
            type="json_schema", json_schema=JSONSchemaFormat(schema=form.json_schema)
        ),
    }
    if body.tools:
        fields["tools"] = [
            Tool(
                type="function",
                function=Function(
                    name=tool.name,
                    description=tool.description,
                    parameters=tool.input_schema,
                    strict=tool.strict,
                ),
            )
            for tool in body.tools
        ]
    if body.tool_choice is not None:
        fields["tool_choice"] = _choice(body.tool_choice)
        fields["parallel_tool_calls"] = not body.tool_choice.disable_parallel_tool_use
    if isinstance(body, MessagesBody):
        fields["stop"] = body.stop_sequences
        for name in ("max_tokens", "temperature", "top_p", "top_k"):
            fields[name] = getattr(body, name)
    return ChatBody(**fields)


def _check_last(message: MessageParam) -> None:
    """Raises InvalidValue where a call without its result ends the conversation."""
    if any(isinstance(block, ToolUseBlock) for block in message.content):
        raise InvalidValue(
            "messages: the last one calls a tool; a tool_result has to follow", param="messages"
        )


def _effort(body: CountTokensBody) -> str | None:
    """Returns the reasoning effort of a chat."""
    kind = None if body.thinking is None else body.thinking.type
    if kind == "disabled":
        return "none"
    effort = None if body.output_config is None else body.output_config.effort
    return effort or ("high" if kind == "enabled" else None)


def _choice(choice: ToolChoiceParam) -> ToolChoice:
    if choice.name is not None:
        return NamedTool(type="function", function=NamedFunction(name=choice.name))
    return "required" if choice.type == "any" else "none" if choice.type == "none" else "auto"


def _system(body: CountTokensBody) -> Iterator[ChatMessage]:
    if body.system:
        yield ChatMessage(role="system", content=_content(body.system))


def _messages(message: MessageParam, index: int) -> Iterator[ChatMessage]:
    """Yields a message for each result of a call, and for all else that stands together."""
    if message.role == "assistant":
        yield _spoken(message)
        return
    if isinstance(message.content, str):
        yield ChatMessage(role="user", content=message.content)
        return
    parts: list[ContentPart | ImagePart] = []
    for place, block in enumerate(message.content):
        if isinstance(block, TextBlock):
            parts.append(ContentPart(type="text", text=block.text))
        elif isinstance(block, ImageBlock):
            where = f"messages[{index}].content[{place}]"
            parts.append(ImagePart.at(where, block.source.address))
        elif isinstance(block, ToolResultBlock):
            if parts:
                yield ChatMessage(role="user", content=parts)
                parts = []
            text = _text(block.content)
            yield ChatMessage(
                role="tool",
                content=ERROR + text if block.is_error else text,
                tool_call_id=block.tool_use_id,
            )
    if parts:
        yield ChatMessage(role="user", content=parts)


def _spoken(message: MessageParam) -> ChatMessage:
    if isinstance(message.content, str):
        return ChatMessage(role="assistant", content=message.content)
    blocks = message.content
    calls = [
        ToolCall(id=block.id, function=FunctionCall(name=block.name, arguments=block.input))
        for block in blocks
        if isinstance(block, ToolUseBlock)
    ]
    return ChatMessage(
        role="assistant",
        content=_text([block for block in blocks if isinstance(block, TextBlock)]),
        reasoning="".join(b.thinking for b in blocks if isinstance(b, ThinkingBlock)) or None,
        tool_calls=calls or None,
    )


def _content(value: str | list[TextBlock]) -> str | list[ContentPart | ImagePart]:
    if isinstance(value, str):
        return value
    return [ContentPart(type="text", text=block.text) for block in value]


def _text(value: str | list[TextBlock]) -> str:
    return value if isinstance(value, str) else "".join(block.text for block in value)
