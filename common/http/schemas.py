"""The bodies that clients send. Absent and null mean the same: the default."""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

from common.http.messages import ChatMessage, Tool, ToolChoice

INT64 = 2**63


def _stop_list(value: str | list[str]) -> list[str]:
    stops = [value] if isinstance(value, str) else value
    if len(stops) > 16:
        raise ValueError(f"at most 16 stop strings are allowed, not {len(stops)}")
    if not all(stops):
        raise ValueError("a stop string must not be empty")
    return stops


Stop = Annotated[str | list[str], AfterValidator(_stop_list)]
TokenId = Annotated[int, Field(ge=0, lt=2**31)]
Bias = Annotated[float, Field(ge=-100, le=100)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, protected_namespaces=())


class JSONSchemaFormat(Strict):
    name: str = Field("answer", min_length=1, max_length=64)
    description: str | None = None
    json_schema: dict[str, Any] = Field(alias="schema")
    strict: bool | None = None


class ResponseFormat(Strict):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: JSONSchemaFormat | None = None


class StreamOptions(Strict):
    include_usage: bool = False


class SamplingFields(Strict):
    """The same names, ranges and defaults on every route and every backend."""

    max_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=-1, lt=2**31)
    min_p: float | None = Field(None, ge=0, le=1)
    repetition_penalty: float | None = Field(None, gt=0, le=2)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    seed: int | None = Field(None, ge=-INT64, lt=INT64)
    stop: Stop | None = None
    stop_token_ids: list[TokenId] | None = Field(None, max_length=256)
    min_tokens: int | None = Field(None, ge=0)
    ignore_eos: bool | None = None
    logit_bias: dict[str, Bias] | None = Field(None, max_length=1024)
    response_format: ResponseFormat | None = None


class GenerateBody(SamplingFields):
    """POST /generate."""

    prompt: str = Field(min_length=1)
    system_prompt: str | None = None


class OpenAIFields(SamplingFields):
    model: str | None = None
    n: int | None = Field(None, ge=1, le=16)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = None


class ChatBody(OpenAIFields):
    """POST /v1/chat/completions."""

    messages: list[ChatMessage] = Field(min_length=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)
    tools: list[Tool] | None = None
    tool_choice: ToolChoice | None = None
    chat_template_kwargs: dict[str, Any] | None = None

    @field_validator("max_completion_tokens")
    @classmethod
    def _one_limit(cls, value: int | None, info: ValidationInfo) -> int | None:
        old = info.data.get("max_tokens")
        if old is not None and value is not None and old != value:
            raise ValueError("must not differ from max_tokens")
        return value


class CompletionBody(OpenAIFields):
    """POST /v1/completions."""

    prompt: str | list[str] | list[TokenId] | list[list[TokenId]]
    echo: bool | None = None
    logprobs: int | None = Field(None, ge=0, le=20)


class TokenizeBody(Strict):
    """POST /tokenize: `prompt`, or `messages` with the chat template applied."""

    model: str | None = None
    prompt: str | None = None
    messages: list[ChatMessage] | None = Field(None, min_length=1)
    tools: list[Tool] | None = None
    add_special_tokens: bool = True
    chat_template_kwargs: dict[str, Any] | None = None


class DetokenizeBody(Strict):
    """POST /detokenize."""

    model: str | None = None
    tokens: list[TokenId]
    skip_special_tokens: bool = False
