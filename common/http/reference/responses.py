"""The JSON bodies of answers, for the API's reference: tests hold real answers to them."""

from typing import Literal, NotRequired

from typing_extensions import TypedDict

FinishReason = Literal["stop", "length", "tool_calls"] | None


class PromptTokensDetails(TypedDict):
    cached_tokens: int


class CompletionTokensDetails(TypedDict):
    reasoning_tokens: int


class Usage(TypedDict):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: NotRequired[PromptTokensDetails]
    completion_tokens_details: NotRequired[CompletionTokensDetails]


class CalledFunction(TypedDict):
    name: NotRequired[str]
    arguments: str


class AnsweredCall(TypedDict):
    """In a stream, `id` and name come with the first piece of a call, arguments in pieces."""

    index: NotRequired[int]
    id: NotRequired[str]
    type: NotRequired[Literal["function"]]
    function: CalledFunction


class TopLogprob(TypedDict):
    token: str
    logprob: float
    bytes: list[int] | None


class TokenEntry(TopLogprob):
    top_logprobs: list[TopLogprob]


class ChatLogprobs(TypedDict):
    content: list[TokenEntry]
    refusal: None


class CompletionLogprobs(TypedDict):
    """Null stands at the first token of an echoed prompt."""

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None]
    text_offset: list[int]


class PromptLogprob(TypedDict):
    logprob: float
    decoded_token: str
    rank: NotRequired[int]


PromptLogprobs = list[dict[str, PromptLogprob] | None]


class AnswerMessage(TypedDict):
    role: Literal["assistant"]
    content: str | None
    refusal: None
    reasoning: NotRequired[str]
    reasoning_content: NotRequired[str]
    tool_calls: NotRequired[list[AnsweredCall]]


class ChatChoice(TypedDict):
    index: int
    message: AnswerMessage
    logprobs: ChatLogprobs | None
    finish_reason: FinishReason
    token_ids: NotRequired[list[int]]


class ChatCompletion(TypedDict):
    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChatChoice]
    usage: Usage
    prompt_token_ids: NotRequired[list[int]]
    prompt_logprobs: NotRequired[PromptLogprobs]


class MessageDelta(TypedDict):
    role: NotRequired[Literal["assistant"]]
    content: NotRequired[str]
    reasoning: NotRequired[str]
    reasoning_content: NotRequired[str]
    tool_calls: NotRequired[list[AnsweredCall]]


class ChunkChoice(TypedDict):
    index: int
    delta: MessageDelta
    logprobs: ChatLogprobs | None
    finish_reason: FinishReason
    token_ids: NotRequired[list[int]]


class ChatCompletionChunk(TypedDict):
    """One event of a stream. The last event is `[DONE]`; an error has a body of errors."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: NotRequired[Usage | None]
    prompt_token_ids: NotRequired[list[int] | None]


class CompletionChoice(TypedDict):
    index: int
    text: str
    logprobs: CompletionLogprobs | None
    finish_reason: FinishReason
    token_ids: NotRequired[list[int]]
    prompt_token_ids: NotRequired[list[int]]
    prompt_logprobs: NotRequired[PromptLogprobs]


class Completion(TypedDict):
    """The whole answer; in a stream each event has the next piece, and the last is `[DONE]`."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: NotRequired[Usage | None]


class TextUsage(TypedDict):
    prompt_tokens: int
    total_tokens: int


class TextEmbedding(TypedDict):
    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class EmbeddingList(TypedDict):
    """In the order of `input`."""

    object: Literal["list"]
    data: list[TextEmbedding]
    model: str
    usage: TextUsage


class ModelCard(TypedDict):
    """`parent` is the model that an adapter changes, null for that one itself. `capabilities` has
    true for each field that is honoured, else the reason why not."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    parent: str | None
    backend: str
    backend_version: str
    quantization: str
    dtype: str
    max_model_len: int
    task: Literal["generate", "embed"]
    embedding_size: int | None
    reasoning: str | None
    capabilities: dict[str, Literal[True] | str]


class DeletedModel(TypedDict):
    id: str
    object: Literal["model"]
    deleted: Literal[True]


class ModelList(TypedDict):
    object: Literal["list"]
    data: list[ModelCard]


class TokenList(TypedDict):
    tokens: list[int]
    count: int
    max_model_len: int


class DetokenizedText(TypedDict):
    prompt: str


class CancelledRequest(TypedDict):
    id: str
    object: Literal["request"]
    cancelled: Literal[True]


class AliveStatus(TypedDict):
    status: Literal["alive"]
    reason: NotRequired[str]


class ReadyStatus(TypedDict):
    """`start_seconds` has the seconds that each phase of the start took."""

    status: Literal["ready"]
    start_seconds: dict[str, float]


class EngineVersion(TypedDict):
    version: str
    backend: str


class ErrorDetails(TypedDict):
    """`code` is stable; `param` names the field that is wrong."""

    message: str
    type: str
    param: str | None
    code: str
    request_id: str


class ErrorBody(TypedDict):
    error: ErrorDetails
