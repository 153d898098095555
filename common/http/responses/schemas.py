"""The body of POST /v1/responses."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from common.http.accepted import (
    CACHES_ITSELF,
    NOT_STORED,
    STREAM_OPTIONS,
    Accepted,
    Fields,
    refused,
)
from common.http.messages import Function
from common.http.responses.items import Input
from common.http.schemas import SamplingFields
from common.http.strict import MAX_IGNORED, Strict, unsupported
from common.http.structure import JSONSchemaFormat

RESPONSES: Fields = {
    "store": Accepted(NOT_STORED, (False,), NOT_STORED),
    "background": Accepted("false is the default", (False,), NOT_STORED),
    "previous_response_id": refused(f"{NOT_STORED}: send all of the conversation as input"),
    "conversation": refused(f"{NOT_STORED}: send all of the conversation as input"),
    "prompt": refused("no prompt is stored: send its text as input"),
    "prompt_cache_retention": Accepted(CACHES_ITSELF),
    "prompt_cache_options": Accepted(CACHES_ITSELF),
    "client_metadata": Accepted("it is a note of the client for itself"),
    "n": Accepted("1 is the default", (1,), "a response has one answer"),
}
"""Fields of /v1/responses."""
REASONING: Fields = {
    "summary": Accepted("all of the reasoning is in the answer"),
    "generate_summary": Accepted("all of the reasoning is in the answer"),
    "context": Accepted("the chat template says which reasoning the model sees again"),
}
"""Fields of `reasoning` of /v1/responses."""
FUNCTION: Fields = {
    "defer_loading": Accepted("false is the default", (False,), "no tool is searched for"),
    "allowed_callers": Accepted("only the model calls tools", (["direct"],), "no code runs here"),
}
"""Fields of a tool of /v1/responses."""
LEFT_OUT = (
    "custom", "image_generation", "local_shell", "namespace", "shell", "tool_search",
    "web_search", "web_search_preview",
)  # fmt: skip
"""Types of tools that clients add by themselves: answers do without them."""


SETTING = "; the service leaves such tools out with the setting unknown_fields=warn"


class FunctionTool(Function):
    accepted = FUNCTION
    type: Literal["function"]


class TextFormat(Strict):
    type: Literal["text", "json_object", "json_schema"]
    name: str | None = None
    description: str | None = None
    json_schema: dict[str, Any] | None = Field(None, alias="schema")
    strict: bool | None = None

    def schema_format(self) -> JSONSchemaFormat:
        return JSONSchemaFormat.model_construct(json_schema=self.json_schema or {})

    @model_validator(mode="after")
    def _has_schema(self) -> Self:
        if self.type == "json_schema" and self.json_schema is None:
            raise ValueError("a format of type json_schema needs the field schema")
        return self


class TextConfig(Strict):
    accepted = {"verbosity": Accepted("no chat template has such a variable")}
    format: TextFormat | None = None


class ReasoningConfig(Strict):
    accepted = REASONING
    effort: str | None = Field(None, min_length=1, max_length=32)


class ChosenFunction(Strict):
    type: Literal["function"]
    name: str


class AllowedTools(Strict):
    type: Literal["allowed_tools"]
    mode: Literal["auto", "required"]
    tools: Annotated[list[ChosenFunction], Field(min_length=1, max_length=1024, fail_fast=True)]


class ResponseStreamOptions(Strict):
    accepted = STREAM_OPTIONS


class ResponsesBody(SamplingFields):
    """POST /v1/responses."""

    accepted = RESPONSES
    model: str | None = None
    """The served name; `default`, an empty name or none mean the same. Or that of an adapter."""
    input: Input
    """The user's message, or all items of the conversation: messages, calls of functions and their
    results, reasoning."""
    instructions: str | None = None
    """A system message before the input."""
    max_output_tokens: int | None = Field(None, ge=1)
    """The same as `max_tokens`."""
    tools: Annotated[list[FunctionTool], Field(max_length=1024, fail_fast=True)] | None = None
    """Functions that the model may call. Tools of other types are refused; those that clients add
    by themselves, such as `web_search` and `custom`, are unknown fields by the setting
    `unknown_fields`."""
    tool_choice: Literal["none", "auto", "required"] | ChosenFunction | AllowedTools | None = None
    """Whether the model may, must or must not call a function, which one, or which ones."""
    parallel_tool_calls: bool | None = None
    """`false` keeps the first call of an answer only."""
    text: TextConfig | None = None
    """The form of the answer, in `format`."""
    reasoning: ReasoningConfig | None = None
    """`effort` is `reasoning_effort` of /v1/chat/completions."""
    include: list[Literal["message.output_text.logprobs", "reasoning.encrypted_content"]] | None = (
        None
    )
    """`message.output_text.logprobs` adds the log-probabilities of the text's tokens. Reasoning is
    in plain text; none is encrypted."""
    top_logprobs: int | None = Field(None, ge=0, le=20)
    """Alternatives for each token; they need `message.output_text.logprobs` in `include`."""
    stream: bool | None = None
    """Send server-sent events while the answer is generated."""
    stream_options: ResponseStreamOptions | None = None
    """Nothing in it changes a stream."""
    chat_template_kwargs: dict[str, Any] | None = None
    """Further variables of the chat template; they win. One that the template does not read is
    refused."""
    metadata: dict[str, Any] | None = None
    """Comes back with the answer."""
    truncation: Literal["auto", "disabled"] | None = None
    """Comes back with the answer; a conversation that is too long is refused."""
    max_tool_calls: int | None = None
    """Comes back with the answer: it limits tools that the service itself runs, and there are
    none."""
    service_tier: str | None = None
    """All requests have the same tier, `default`."""
    user: str | None = None
    """Comes back with the answer, as the next two do."""
    safety_identifier: str | None = None
    """Names the end user."""
    prompt_cache_key: str | None = None
    """Equal beginnings of prompts are found in the cache without it."""

    @field_validator("tools", mode="before")
    @classmethod
    def _functions(cls, value: Any, info: ValidationInfo) -> Any:
        if not isinstance(value, list):
            return value
        return [tool for tool in value if not _is_left_out(tool, info.context)]

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        limit, old = self.max_output_tokens, self.max_tokens
        if limit is not None and old is not None and limit != old:
            raise unsupported("max_tokens", "it must not differ from max_output_tokens")
        if self.top_logprobs and not self.has_logprobs:
            raise unsupported("top_logprobs", "include must have message.output_text.logprobs")
        if self.form is not None and self.response_format is not None:
            raise unsupported("response_format", "text.format says the form already")
        return self

    @property
    def has_logprobs(self) -> bool:
        return "message.output_text.logprobs" in (self.include or ())

    @property
    def form(self) -> TextFormat | None:
        return None if self.text is None else self.text.format


def _is_left_out(tool: Any, ignored: set[str] | None) -> bool:
    """Returns whether a tool is left out as an unknown field is. Raises an error for one that is
    no function."""
    kind = tool.get("type") if isinstance(tool, dict) else None
    if not isinstance(kind, str) or kind == "function":
        return False
    name = f"tools.{kind[:40]}"
    if ignored is None or kind not in LEFT_OUT:
        hint = SETTING if kind in LEFT_OUT else ""
        raise unsupported("", f"{kind[:40]!r} does not run here; allowed is 'function'{hint}")
    if len(ignored) < MAX_IGNORED:
        ignored.add(name)
    return True
