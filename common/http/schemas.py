"""The bodies that clients send. Absent and null mean the same: the default."""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationInfo,
    field_validator,
)

from common.http.messages import ChatMessage, Strict, Tool, ToolChoice

INT64 = 2**63
MAX_BIASES = 1024


def _stop_list(value: str | list[str]) -> list[str]:
    stops = [value] if isinstance(value, str) else value
    if len(stops) > 16:
        raise ValueError(f"at most 16 stop strings are allowed, not {len(stops)}")
    if not all(stops):
        raise ValueError("a stop string must not be empty")
    return stops


Texts = Annotated[list[str], Field(fail_fast=True)]
Stop = Annotated[str | Texts, AfterValidator(_stop_list)]
TokenId = Annotated[int, Field(ge=0, lt=2**31)]
TokenIds = Annotated[list[TokenId], Field(fail_fast=True)]
Bias = Annotated[float, Field(ge=-100, le=100)]
Messages = Annotated[list[ChatMessage], Field(min_length=1, max_length=10_000, fail_fast=True)]
Tools = Annotated[list[Tool], Field(max_length=1024, fail_fast=True)]


def _few(value: Any) -> Any:
    if isinstance(value, dict) and len(value) > MAX_BIASES:
        raise ValueError(f"at most {MAX_BIASES} entries are allowed, not {len(value)}")
    return value


Biases = Annotated[dict[str, Bias], BeforeValidator(_few)]


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
    """Fields with the same names, ranges and defaults on every route and every backend."""

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
    stop_token_ids: TokenIds | None = Field(None, max_length=256)
    min_tokens: int | None = Field(None, ge=0)
    ignore_eos: bool | None = None
    logit_bias: Biases | None = None
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

    messages: Messages
    max_completion_tokens: int | None = Field(None, ge=1)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)
    tools: Tools | None = None
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

    prompt: str | Texts | TokenIds | Annotated[list[TokenIds], Field(fail_fast=True)]
    echo: bool | None = None
    logprobs: int | None = Field(None, ge=0, le=20)


class TokenizeBody(Strict):
    """POST /tokenize: `prompt`, or `messages` with the chat template applied."""

    model: str | None = None
    prompt: str | None = None
    messages: Messages | None = None
    tools: Tools | None = None
    add_special_tokens: bool | None = None
    chat_template_kwargs: dict[str, Any] | None = None


class DetokenizeBody(Strict):
    """POST /detokenize."""

    model: str | None = None
    tokens: TokenIds
    skip_special_tokens: bool = False
