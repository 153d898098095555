"""Chat messages and tools in OpenAI's shapes, and in those that a chat template takes."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, PrivateAttr, Tag, model_validator
from pydantic_core import PydanticCustomError

from common.http.accepted import (
    FUNCTION,
    FUNCTION_CALL,
    IMAGE_URL,
    MESSAGE,
    PART,
    TOOL,
    TOOL_CALL,
)
from common.http.strict import Strict, unsupported
from common.images.source import ImageSource

TODAYS_ROLES = {"developer": "system", "function": "tool"}
MAX_PART_TYPE = 40
"""Characters of an unknown part's type that an error repeats."""


def text_part(value: Any, fields: Mapping[str, str], allowed: str) -> Any:
    """Returns a part as it is; `fields` has the name of the text by the type of the part.

    Raises PydanticCustomError for one that is no text; `allowed` are the types for an answer.
    """
    kind = value.get("type") if isinstance(value, dict) else None
    if not isinstance(kind, str):
        return value
    if kind not in fields:
        raise PydanticCustomError(
            "content_part",
            "content part type '{kind}' is not taken here; allowed are {allowed}",
            {"kind": kind[:MAX_PART_TYPE], "allowed": allowed},
        )
    if value.get(fields[kind]) is None:
        raise PydanticCustomError(
            "content_part",
            "a part of type '{kind}' needs '{field}'",
            {"kind": kind, "field": fields[kind]},
        )
    return value


class ContentPart(Strict):
    accepted = PART
    type: Literal["text", "refusal"]
    text: str = ""
    refusal: str = ""

    @model_validator(mode="before")
    @classmethod
    def _is_text(cls, value: Any) -> Any:
        return text_part(value, {"text": "text", "refusal": "refusal"}, "'text' and 'image_url'")


class ImageURL(Strict):
    accepted = IMAGE_URL
    url: str = Field(min_length=1)


class ImagePart(Strict):
    """An image in a data URL, or at an address. `place` names it in errors where its body was
    translated from one of another form."""

    accepted = PART
    type: Literal["image_url"]
    image_url: ImageURL
    _place: str | None = PrivateAttr(None)

    @classmethod
    def at(cls, place: str, url: str) -> "ImagePart":
        """Returns the part for an image of another form."""
        part = cls(type="image_url", image_url=ImageURL(url=url))
        part._place = place
        return part


def kind_of_part(value: Any) -> str:
    """Returns the name of the class of a part."""
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return "ImagePart" if kind == "image_url" else "ContentPart"


Part = Annotated[
    Annotated[ContentPart, Tag("ContentPart")] | Annotated[ImagePart, Tag("ImagePart")],
    Discriminator(kind_of_part),
]


class FunctionCall(Strict):
    accepted = FUNCTION_CALL
    name: str
    arguments: str | dict[str, Any]


class ToolCall(Strict):
    accepted = TOOL_CALL
    id: str
    type: Literal["function"] = "function"
    function: FunctionCall


def form_of_content(value: Any) -> str | None:
    return "str" if isinstance(value, str) else "list" if isinstance(value, list) else None


Content = Annotated[
    Annotated[str, Tag("str")] | Annotated[list[Part], Field(fail_fast=True), Tag("list")],
    Discriminator(
        form_of_content,
        custom_error_type="content",
        custom_error_message="Content is a string or a list of parts",
    ),
]


class ChatMessage(Strict):
    """`reasoning_content` is another name of `reasoning`, `function_call` of one tool call."""

    accepted = MESSAGE
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Content | None = None
    name: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    tool_calls: Annotated[list[ToolCall], Field(fail_fast=True)] | None = None
    tool_call_id: str | None = None
    function_call: FunctionCall | None = None
    refusal: str | None = None

    @model_validator(mode="after")
    def _has_content(self) -> "ChatMessage":
        if self.content is None and self.role != "assistant":
            raise ValueError("content is required, except in an assistant's message")
        if self.role != "user" and isinstance(self.content, list):
            for part in self.content:
                if isinstance(part, ImagePart):
                    raise ValueError("images stand in a user's message only")
        return self


class Function(Strict):
    accepted = FUNCTION
    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,128}$")
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(Strict):
    accepted = TOOL
    type: Literal["function"]
    function: Function


class NamedFunction(Strict):
    name: str


class NamedTool(Strict):
    type: Literal["function"]
    function: NamedFunction


ToolChoice = Literal["none", "auto", "required"] | NamedTool


def newer_tool_fields(body: dict[str, Any]) -> dict[str, Any]:
    """Returns a body without `functions` and `function_call`, which tools have replaced."""
    body = {name: value for name, value in body.items() if value is not None}
    functions, choice = body.pop("functions", None), body.pop("function_call", None)
    if functions is not None and "tools" in body:
        raise unsupported("functions", "tools have replaced them: use one of both")
    if isinstance(functions, list):
        body["tools"] = [{"type": "function", "function": one} for one in functions]
    elif functions is not None:
        body["tools"] = functions
    if choice is not None:
        named = isinstance(choice, dict)
        body["tool_choice"] = {"type": "function", "function": choice} if named else choice
    if not body.get("tools") and body.get("tool_choice") == "auto":
        del body["tool_choice"]
    return body


def for_template(messages: Sequence[ChatMessage]) -> list[dict[str, Any]]:
    """Returns plain dicts with today's roles; the template's own form of them comes later."""
    return [_message(message) for message in messages]


def image_sources(messages: Sequence[ChatMessage]) -> list[ImageSource]:
    """Returns the images of a conversation, in order."""
    return [
        ImageSource(part._place or f"messages[{index}].content[{place}]", part.image_url.url)
        for index, message in enumerate(messages)
        if isinstance(message.content, list)
        for place, part in enumerate(message.content)
        if isinstance(part, ImagePart)
    ]


def tools_for_template(tools: Sequence[Tool]) -> list[dict[str, Any]]:
    return [tool.model_dump(exclude_none=True) for tool in tools]


def _message(message: ChatMessage) -> dict[str, Any]:
    content: Any = message.content
    if isinstance(content, list):
        content = [
            {"type": "image"}
            if isinstance(part, ImagePart)
            else {"type": "text", "text": part.text or part.refusal}
            for part in content
        ]
    plain: dict[str, Any] = {
        "role": TODAYS_ROLES.get(message.role, message.role),
        "content": content or message.refusal or content,
    }
    if message.name is not None:
        plain["name"] = message.name
    if message.tool_call_id is not None:
        plain["tool_call_id"] = message.tool_call_id
    reasoning = message.reasoning or message.reasoning_content
    if reasoning:
        # Templates know it by either name.
        plain["reasoning"] = plain["reasoning_content"] = reasoning
    calls = [(call.id, call.function) for call in message.tool_calls or ()]
    if message.function_call is not None:
        calls.append((message.function_call.name, message.function_call))
    if calls:
        plain["tool_calls"] = [_call(call_id, function) for call_id, function in calls]
    return plain


def _call(call_id: str, function: FunctionCall) -> dict[str, Any]:
    return {
        "id": call_id,
        "type": "function",
        "function": {"name": function.name, "arguments": function.arguments},
    }
