"""The bodies that clients send. Absent and null mean the same: the default."""

from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from common.http.accepted import CHAT, COMPLETION, STREAM_OPTIONS
from common.http.messages import ChatMessage, Tool, ToolChoice, newer_tool_fields
from common.http.strict import Strict, unsupported
from common.http.structure import StructureFields
from common.serving.answer import Shown
from common.text.stop_strings import LONGEST

INT64 = 2**63
REQUEST_ID = r"^[A-Za-z0-9._:-]{1,128}$"
"""What an id may be, in the body and in the header X-Request-Id."""
MAX_BIASES = 1024
MAX_ALLOWED = 65_536


def stop_list(value: str | list[str]) -> list[str]:
    stops = [value] if isinstance(value, str) else value
    if len(stops) > 16:
        raise ValueError(f"at most 16 stop strings are allowed, not {len(stops)}")
    if not all(stops):
        raise ValueError("a stop string must not be empty")
    if max(map(len, stops), default=0) > LONGEST:
        raise ValueError(f"a stop string may have at most {LONGEST} characters")
    return stops


Texts = Annotated[list[str], Field(fail_fast=True)]
Stop = Annotated[str | Texts, AfterValidator(stop_list)]
TokenId = Annotated[int, Field(ge=0, lt=2**31)]
TokenIds = Annotated[list[TokenId], Field(fail_fast=True)]
Word = Annotated[str, Field(min_length=1, max_length=64)]
Bias = Annotated[float, Field(ge=-100, le=100)]
MAX_MESSAGES = 10_000
Messages = Annotated[
    list[ChatMessage], Field(min_length=1, max_length=MAX_MESSAGES, fail_fast=True)
]
Tools = Annotated[list[Tool], Field(max_length=1024, fail_fast=True)]


def _few(value: Any) -> Any:
    if isinstance(value, dict) and len(value) > MAX_BIASES:
        raise ValueError(f"at most {MAX_BIASES} entries are allowed, not {len(value)}")
    return value


Biases = Annotated[dict[str, Bias], BeforeValidator(_few)]


class StreamOptions(Strict):
    """Usage in a last chunk of its own, and in every chunk as it is so far."""

    accepted = STREAM_OPTIONS
    include_usage: bool = False
    """Usage in a last chunk, and `"usage": null` in the others."""
    continuous_usage_stats: bool = False
    """Usage so far in every chunk."""


class SamplingFields(StructureFields):
    """Fields with the same names, ranges and defaults on every route and every backend."""

    max_tokens: int | None = Field(None, ge=1)
    """Most tokens of the answer, at most the model's context length; cut to what the prompt leaves.
    Without it: 1024, or what is left."""
    temperature: float | None = Field(None, ge=0, le=2)
    """0 takes the likeliest token; higher values choose more freely."""
    top_p: float | None = Field(None, gt=0, le=1)
    """Choose among the likeliest tokens that have this share of the probability together."""
    top_k: int | None = Field(None, ge=-1, lt=2**31)
    """Choose among this many of the likeliest tokens; 0 or -1 is off."""
    min_p: float | None = Field(None, ge=0, le=1)
    """Leave out tokens below this share of the likeliest token's probability."""
    repetition_penalty: float | None = Field(None, gt=0, le=2)
    """Above 1, tokens of the prompt and of the answer so far become less likely."""
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    """Subtracted from the logit of each token that the answer has."""
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    """Subtracted from a token's logit for each time that the answer has it."""
    seed: int | None = Field(None, ge=-INT64, lt=INT64)
    """Repeats an answer; with `n`, each answer has its own. Without effect at `temperature` 0."""
    stop: Stop | None = None
    """A string or up to 16 of them; the text ends before the one that comes first."""
    stop_token_ids: TokenIds | None = Field(None, max_length=256)
    """Tokens that end the answer, beside the model's own."""
    min_tokens: int | None = Field(None, ge=0)
    """Least tokens of the answer: none ends it before."""
    ignore_eos: bool | None = None
    """The model's own end tokens do not end the answer."""
    logit_bias: Biases | None = None
    """Token id → what is added to its logit, -100 to 100."""
    allowed_token_ids: TokenIds | None = Field(None, max_length=MAX_ALLOWED)
    """The only tokens to choose from."""
    bad_words: Annotated[list[Word], Field(max_length=128, fail_fast=True)] | None = None
    """Texts that must not come; each is barred as the tokenizer writes it at the start of a text
    and behind a space."""
    cache_salt: str | None = Field(None, min_length=1, max_length=256)
    """The prefix cache is shared only with requests of the same salt."""
    priority: int | None = Field(None, ge=-(2**31), lt=2**31)
    """Requests with a lower number come first."""


class GenerateBody(SamplingFields):
    """POST /generate."""

    model: str | None = None
    """The served name; `default`, an empty name or none mean the same. Or that of an adapter."""
    prompt: str = Field(min_length=1)
    """The user's message, to which the model's chat template is applied."""
    system_prompt: str | None = None
    """The system message before the prompt; an empty one for none, null for that of the service."""
    include_reasoning: bool = False
    """The text begins with the reasoning of the model."""


class OpenAIFields(SamplingFields):
    model: str | None = None
    """The served name; `default`, an empty name or none mean the same. Or that of an adapter."""
    n: int | None = Field(None, ge=1, le=128)
    """Number of answers, up to 128."""
    best_of: int | None = Field(None, ge=1)
    """May be 1 or `n`: answers are not ranked."""
    stream: bool | None = None
    """Send server-sent events while the answer is generated."""
    stream_options: StreamOptions | None = None
    """What a stream tells beside the text."""
    request_id: str | None = Field(None, pattern=REQUEST_ID)
    """The id of the request, unless the header `X-Request-Id` has one."""
    add_special_tokens: bool | None = None
    """Whether the tokenizer adds its special tokens to the prompt. By default `true` for texts,
    `false` for messages, where the template has them."""
    truncate_prompt_tokens: int | None = Field(None, ge=-1)
    """Cuts a prompt to its last tokens; -1 to as many as leave room for `max_tokens`."""
    skip_special_tokens: bool = True
    """`false` shows special tokens in the text."""
    include_stop_str_in_output: bool = False
    """Shows what has stopped the answer."""
    return_token_ids: bool = False
    """Adds `prompt_token_ids` and each answer's `token_ids`."""
    return_tokens_as_token_ids: bool = False
    """Names tokens in log-probabilities by their ids: `token_id:5`."""
    prompt_logprobs: int | None = Field(None, ge=0, le=20)
    """Log-probabilities of the prompt's tokens, by token id, with so many alternatives for each and
    null for the first one. They come with a whole answer only, not with a stream."""

    @property
    def shown(self) -> Shown:
        """Returns what the answers show beside plain text."""
        return Shown(
            not self.skip_special_tokens, self.include_stop_str_in_output, self.return_token_ids
        )

    def last_tokens(self, max_model_len: int, max_tokens: int | None) -> int | None:
        """Returns how many tokens a prompt is cut to; -1 asks for as many as leave room."""
        tokens = self.truncate_prompt_tokens
        return max(1, max_model_len - (max_tokens or 1)) if tokens == -1 else tokens

    @field_validator("truncate_prompt_tokens")
    @classmethod
    def _some_tokens(cls, value: int | None) -> int | None:
        if value == 0:
            raise ValueError("at least one token is needed; -1 takes as many as leave room")
        return value

    @model_validator(mode="after")
    def _at_once(self) -> Self:
        if self.stream and self.prompt_logprobs is not None:
            raise unsupported(
                "prompt_logprobs", "they come with a whole answer only; set stream to false"
            )
        return self

    @model_validator(mode="after")
    def _all_answers(self) -> Self:
        if self.best_of not in (None, 1, self.n):
            raise unsupported("best_of", "answers are not ranked here; allowed are 1 and n")
        return self


class ConversationFields(Strict):
    """What a chat template makes a prompt of, beside the messages."""

    tools: Tools | None = None
    """Functions that the model may call, docs/tool_calls.md."""
    add_generation_prompt: bool | None = None
    """`false` ends the prompt with the last message."""
    continue_final_message: bool | None = None
    """The answer goes on with the last message."""
    reasoning_effort: str | None = Field(None, min_length=1, max_length=32)
    """The variable `reasoning_effort` of the chat template, or its `enable_thinking` or `thinking`,
    which `none` turns off. If the template has neither, there is nothing to set, and `none` is
    refused if the model reasons."""
    chat_template_kwargs: dict[str, Any] | None = None
    """Further variables of the chat template; they win. One that the template does not read is
    refused."""

    @field_validator("continue_final_message")
    @classmethod
    def _one_beginning(cls, value: bool | None, info: ValidationInfo) -> bool | None:
        if value and info.data.get("add_generation_prompt"):
            raise ValueError("an answer begins anew with add_generation_prompt: use one of both")
        return value


class ChatBody(OpenAIFields, ConversationFields):
    """POST /v1/chat/completions."""

    accepted = CHAT
    messages: Messages
    """Texts, and images in those of the user, docs/images.md. Earlier answers may come back as they
    were sent, also as the `openai` package dumps them; `reasoning` or `reasoning_content` goes to
    the template."""
    max_completion_tokens: int | None = Field(None, ge=1)
    """The same as `max_tokens`."""
    logprobs: bool | None = None
    """Log-probabilities of the tokens."""
    top_logprobs: int | None = Field(None, ge=0, le=20)
    """With `logprobs`, those of up to 20 alternatives for each token."""
    tool_choice: ToolChoice | None = None
    """Whether the model may, must or must not call a tool, or which one. `functions` and
    `function_call` are translated to `tools` and this; the answer has `tool_calls` in either case.
    """
    parallel_tool_calls: bool | None = None
    """`false` keeps the first call of an answer only."""
    include_reasoning: bool = True
    """`false` leaves out the reasoning, which otherwise is in `reasoning` beside `content`,
    docs/reasoning.md."""

    @property
    def shown(self) -> Shown:
        return super().shown._replace(reasoning=self.include_reasoning)

    @model_validator(mode="before")
    @classmethod
    def _newer_names(cls, value: Any) -> Any:
        """Tools have been called functions; without tools, the choice `auto` means none."""
        return newer_tool_fields(value) if isinstance(value, dict) else value

    @field_validator("max_completion_tokens")
    @classmethod
    def _one_limit(cls, value: int | None, info: ValidationInfo) -> int | None:
        old = info.data.get("max_tokens")
        if old is not None and value is not None and old != value:
            raise ValueError("must not differ from max_tokens")
        return value


class CompletionBody(OpenAIFields):
    """POST /v1/completions."""

    accepted = COMPLETION
    prompt: str | Texts | TokenIds | Annotated[list[TokenIds], Field(fail_fast=True)]
    """A text, token ids, or a list of either."""
    echo: bool | None = None
    """The answer begins with the prompt. With `logprobs`, those of the prompt's tokens come too,
    null for the first one, where the backend's `capabilities` have `prompt_logprobs`: so lm-eval
    asks."""
    logprobs: int | None = Field(None, ge=0, le=20)
    """Log-probabilities of the tokens and of up to 20 alternatives for each. A part of a character
    is named by its bytes, such as `bytes:\\xe7`; a token with the same text as a likelier one by
    its id."""


class TokenizeBody(ConversationFields):
    """POST /tokenize: `prompt`, or `messages` with the chat template applied."""

    model: str | None = None
    """The served name; `default`, an empty name or none mean the same. Or that of an adapter."""
    prompt: str | None = None
    """The text; `messages` in its place are rendered by the chat template."""
    messages: Messages | None = None
    """A conversation, as in /v1/chat/completions."""
    add_special_tokens: bool | None = None
    """Whether the tokenizer adds its special tokens to the prompt. By default `true` for texts,
    `false` for messages, where the template has them."""


class DetokenizeBody(Strict):
    """POST /detokenize."""

    model: str | None = None
    """The served name; `default`, an empty name or none mean the same. Or that of an adapter."""
    tokens: TokenIds
    """The token ids."""
    skip_special_tokens: bool = False
    """Leave special tokens out of the text."""
