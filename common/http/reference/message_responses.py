"""The JSON bodies of the answers of /v1/messages, for the API's reference."""

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

StopReason = Literal["end_turn", "max_tokens", "stop_sequence", "tool_use"]


class MessageUsage(TypedDict):
    """`input_tokens` are those that the engine had not cached, where it counts them."""

    input_tokens: int
    output_tokens: int
    cache_read_input_tokens: NotRequired[int]


class TextContent(TypedDict):
    type: Literal["text"]
    text: str


class ThinkingContent(TypedDict):
    """The signature is always empty."""

    type: Literal["thinking"]
    thinking: str
    signature: str


class ToolUseContent(TypedDict):
    type: Literal["tool_use"]
    id: str
    name: str
    input: dict[str, Any]


AnswerBlock = TextContent | ThinkingContent | ToolUseContent


class MessageAnswer(TypedDict):
    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    model: str
    content: list[AnswerBlock]
    stop_reason: StopReason | None
    stop_sequence: str | None
    usage: MessageUsage


class MessageStart(TypedDict):
    type: Literal["message_start"]
    message: MessageAnswer


class BlockStart(TypedDict):
    type: Literal["content_block_start"]
    index: int
    content_block: AnswerBlock


class TextPiece(TypedDict):
    type: Literal["text_delta"]
    text: str


class ThinkingPiece(TypedDict):
    type: Literal["thinking_delta"]
    thinking: str


class InputPiece(TypedDict):
    type: Literal["input_json_delta"]
    partial_json: str


class BlockDelta(TypedDict):
    type: Literal["content_block_delta"]
    index: int
    delta: TextPiece | ThinkingPiece | InputPiece


class BlockStop(TypedDict):
    type: Literal["content_block_stop"]
    index: int


class MessageEnd(TypedDict):
    stop_reason: StopReason
    stop_sequence: str | None


class MessageChange(TypedDict):
    type: Literal["message_delta"]
    delta: MessageEnd
    usage: MessageUsage


class MessageStop(TypedDict):
    type: Literal["message_stop"]


MessageEvent = MessageStart | BlockStart | BlockDelta | BlockStop | MessageChange | MessageStop


class TokenCount(TypedDict):
    input_tokens: int


class MessageErrorDetails(TypedDict):
    """`code` is stable; `param` names the field that is wrong."""

    type: str
    message: str
    param: str | None
    code: str


class MessageError(TypedDict):
    type: Literal["error"]
    error: MessageErrorDetails
    request_id: str
