"""The bodies of /v1/messages and of /v1/messages/count_tokens."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from common.http.accepted import ANTHROPIC, ANTHROPIC_TOOL, THINKING_CONFIG
from common.http.anthropic.blocks import MessageParam, TextContent
from common.http.schemas import MAX_MESSAGES, Texts, stop_list
from common.http.strict import Strict, unsupported

MAX_KIND = 40
"""Characters of an unknown tool's type that an error repeats."""


class ClientTool(Strict):
    """A tool that the client runs."""

    accepted = ANTHROPIC_TOOL
    type: Literal["custom"] = "custom"
    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,128}$")
    description: str | None = None
    input_schema: dict[str, Any]
    strict: bool | None = None

    @model_validator(mode="before")
    @classmethod
    def _is_run_by_the_client(cls, value: Any) -> Any:
        kind = value.get("type") if isinstance(value, dict) else None
        if isinstance(kind, str) and kind != "custom":
            raise unsupported(
                "type",
                f"{kind[:MAX_KIND]!r} is no tool of this service; allowed are those of type "
                "'custom', with an input_schema, which the client runs",
            )
        return value


class ToolChoiceParam(Strict):
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool = False

    @model_validator(mode="after")
    def _names_a_tool(self) -> Self:
        if (self.type == "tool") != (self.name is not None):
            raise ValueError("a choice of type 'tool' has a name, and no other has")
        return self


class ThinkingParam(Strict):
    accepted = THINKING_CONFIG
    type: Literal["enabled", "disabled", "adaptive"]
    display: Literal["summarized", "omitted"] | None = None


class OutputFormat(Strict):
    type: Literal["json_schema"]
    json_schema: dict[str, Any] = Field(alias="schema")


class OutputConfig(Strict):
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    """What `reasoning_effort` is in a chat."""
    format: OutputFormat | None = None
    """A JSON document, by its schema."""


class CountTokensBody(Strict):
    """POST /v1/messages/count_tokens."""

    accepted = ANTHROPIC
    model: str | None = None
    """The served name; `default`, an empty name or none mean the same. Or that of an adapter."""
    messages: Annotated[
        list[MessageParam], Field(min_length=1, max_length=MAX_MESSAGES, fail_fast=True)
    ]
    """Strings, or blocks of text, images, tool calls, their results and earlier thinking. If the
    last one is the assistant's, the answer goes on with it."""
    system: TextContent | None = None
    """The system message."""
    tools: Annotated[list[ClientTool], Field(max_length=1024, fail_fast=True)] | None = None
    """Tools that the client runs."""
    tool_choice: ToolChoiceParam | None = None
    """`auto`, `any`, `tool` with a name, or `none`. `disable_parallel_tool_use` keeps the first
    call of an answer only."""
    thinking: ThinkingParam | None = None
    """`disabled` is `reasoning_effort` `none` of a chat; `enabled` is `high`, unless `effort` says
    another one; `adaptive` leaves it to the template. `display` `omitted` leaves the thinking out.
    """
    output_config: OutputConfig | None = None
    """`effort`, and the `format` of the answer."""


class MessagesBody(CountTokensBody):
    """POST /v1/messages."""

    max_tokens: int = Field(ge=1)
    """Most tokens of the answer, with its thinking; cut to what the prompt leaves."""
    stop_sequences: Annotated[Texts, AfterValidator(stop_list)] | None = None
    """Up to 16 strings; the text ends before the one that comes first."""
    temperature: float | None = Field(None, ge=0, le=1)
    """0 takes the likeliest token; higher values choose more freely."""
    top_p: float | None = Field(None, gt=0, le=1)
    """Choose among the likeliest tokens that have this share of the probability together."""
    top_k: int | None = Field(None, ge=0, lt=2**31)
    """Choose among this many of the likeliest tokens; 0 is off."""
    stream: bool | None = None
    """Send server-sent events while the answer is generated."""
