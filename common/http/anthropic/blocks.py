"""Messages and the blocks that their content consists of."""

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from common.http.accepted import BLOCK
from common.http.messages import form_of_content
from common.http.strict import Strict

ALLOWED = "here a block may have the type "
SPOKEN = ("text", "thinking", "redacted_thinking", "tool_use")
ASKED = ("text", "image", "tool_result")


class TextBlock(Strict):
    accepted = BLOCK
    type: Literal["text"]
    text: str

    @model_validator(mode="before")
    @classmethod
    def _is_text(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("type") not in ("text", None):
            raise PydanticCustomError("block", ALLOWED + "text")
        return value


class BlockSource(Strict):
    """The image itself, in base64, or its address."""

    type: Literal["base64", "url"]
    media_type: str | None = None
    data: str | None = None
    url: str | None = None

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        needed = ("media_type", "data") if self.type == "base64" else ("url",)
        given = {name for name in ("media_type", "data", "url") if getattr(self, name) is not None}
        if given != {*needed}:
            raise ValueError(f"a source of type '{self.type}' has {' and '.join(needed)}")
        return self

    @property
    def address(self) -> str:
        """The URL of the image, which may hold all of it."""
        return self.url or f"data:{self.media_type};base64,{self.data}"


class ImageBlock(Strict):
    """An image in the request, or at an address."""

    accepted = BLOCK
    type: Literal["image"]
    source: BlockSource


class ThinkingBlock(Strict):
    """Earlier reasoning, which goes to the template."""

    accepted = BLOCK
    type: Literal["thinking"]
    thinking: str
    signature: str | None = None


class RedactedThinkingBlock(Strict):
    """Reasoning that nobody here can read: it is left out."""

    accepted = BLOCK
    type: Literal["redacted_thinking"]
    data: str


class ToolUseBlock(Strict):
    accepted = BLOCK
    type: Literal["tool_use"]
    id: str
    name: str
    input: dict[str, Any]


STRING_OR_BLOCKS = Discriminator(
    form_of_content,
    custom_error_type="content",
    custom_error_message="Content is a string or a list of blocks",
)
TextContent = Annotated[
    Annotated[str, Tag("str")] | Annotated[list[TextBlock], Field(fail_fast=True), Tag("list")],
    STRING_OR_BLOCKS,
]


class ToolResultBlock(Strict):
    """The result of a call; an error is shown as one to the model."""

    accepted = BLOCK
    type: Literal["tool_result"]
    tool_use_id: str
    content: TextContent = ""
    is_error: bool = False


KINDS = {
    "text": "TextBlock",
    "image": "ImageBlock",
    "thinking": "ThinkingBlock",
    "redacted_thinking": "RedactedThinkingBlock",
    "tool_use": "ToolUseBlock",
    "tool_result": "ToolResultBlock",
}


def _kind(value: Any) -> str | None:
    """Returns the name of the class of a block, from its type."""
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return KINDS.get(kind) if isinstance(kind, str) else None


Block = Annotated[
    Annotated[TextBlock, Tag("TextBlock")]
    | Annotated[ImageBlock, Tag("ImageBlock")]
    | Annotated[ThinkingBlock, Tag("ThinkingBlock")]
    | Annotated[RedactedThinkingBlock, Tag("RedactedThinkingBlock")]
    | Annotated[ToolUseBlock, Tag("ToolUseBlock")]
    | Annotated[ToolResultBlock, Tag("ToolResultBlock")],
    Discriminator(
        _kind,
        custom_error_type="block",
        custom_error_message=ALLOWED + ", ".join(KINDS),
    ),
]
Content = Annotated[
    Annotated[str, Tag("str")]
    | Annotated[list[Block], Field(min_length=1, fail_fast=True), Tag("list")],
    STRING_OR_BLOCKS,
]


class MessageParam(Strict):
    """A turn of the user, with results of tools, or of the assistant, with what it has called."""

    role: Literal["user", "assistant"]
    content: Content

    @model_validator(mode="after")
    def _blocks_of_the_role(self) -> Self:
        allowed = ASKED if self.role == "user" else SPOKEN
        for block in () if isinstance(self.content, str) else self.content:
            if block.type not in allowed:
                raise ValueError(
                    f"a message of the {self.role} has blocks of type {', '.join(allowed)}, "
                    f"not {block.type}"
                )
        return self
