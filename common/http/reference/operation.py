"""What the reference says of each route, beside what the table of routes says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from common.http.adapters import LoadAdapterBody, UnloadAdapterBody
from common.http.anthropic.schemas import CountTokensBody, MessagesBody
from common.http.batches.schemas import MAX_BATCHES, MAX_FILES, BatchBody
from common.http.embeddings import EmbeddingsBody
from common.http.reference import batch_objects, message_responses, response_objects, responses
from common.http.responses.schemas import ResponsesBody
from common.http.schemas import (
    ChatBody,
    CompletionBody,
    DetokenizeBody,
    GenerateBody,
    TokenizeBody,
)

JSON = "application/json"
EVENTS = "text/event-stream"
FORM = "multipart/form-data"
JSON_LINES = "application/jsonl"
TEXT = "text/plain"


@dataclass(frozen=True)
class Operation:
    """`answers` has the type of a successful answer by its media type.

    A `body` that is not Strict is a form. `errors` are the statuses that this route has beside
    those of every route of its kind.
    """

    group: str
    summary: str
    answers: Mapping[str, Any]
    description: str = ""
    body: type[BaseModel] | None = None
    errors: tuple[int, ...] = ()
    identifier: str = field(default="", kw_only=True)
    """The name of what follows in the path where the route is a prefix."""
    error: Any = field(default=responses.ErrorBody, kw_only=True)
    """The type of its errors."""
    query: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    """The schema of each parameter in the URL."""


def _page(most: int) -> dict[str, Any]:
    """Returns the parameters of a list that sends so many entries at once."""
    limit = {"type": "integer", "minimum": 1, "maximum": most}
    return {"after": {"type": "string"}, "limit": limit}


EMBED = "Embed"
GENERATION = (404, 429, 499, 503, 504)
GENERATE = "Generate"
MODELS = "Models and tokens"
OPERATE = "Operate"
BATCHES = "Batches"
BATCH = {JSON: batch_objects.BatchObject}
FILE = {JSON: batch_objects.FileObject}
READY = {JSON: responses.ReadyStatus}
PROBE = "Another name of /readyz"

OPERATIONS: Mapping[str, Operation] = {
    "POST /v1/chat/completions": Operation(
        GENERATE,
        "Answer a conversation",
        {JSON: responses.ChatCompletion, EVENTS: responses.ChatCompletionChunk},
        "OpenAI's chat API. With `stream` the answer comes as events, each with the next piece. "
        "A stream that breaks off ends with an error event and without `[DONE]`.",
        ChatBody,
        GENERATION,
    ),
    "POST /v1/completions": Operation(
        GENERATE,
        "Continue a text",
        {JSON: responses.Completion, EVENTS: responses.Completion},
        "OpenAI's completions API, streaming or not.",
        CompletionBody,
        GENERATION,
    ),
    "POST /v1/messages": Operation(
        GENERATE,
        "Answer a conversation with blocks",
        {JSON: message_responses.MessageAnswer, EVENTS: message_responses.MessageEvent},
        "Anthropic's Messages API. With `stream` the answer comes as named events. A stream that "
        "breaks off ends with the event `error` and without `message_stop`.",
        MessagesBody,
        GENERATION,
        error=message_responses.MessageError,
    ),
    "POST /v1/messages/count_tokens": Operation(
        MODELS,
        "Count the tokens of a conversation with blocks",
        {JSON: message_responses.TokenCount},
        body=CountTokensBody,
        errors=(404, 503),
        error=message_responses.MessageError,
    ),
    "POST /generate": Operation(
        GENERATE,
        "Answer one prompt as plain text",
        {EVENTS: str},
        "The body of the answer is the text itself, sent while it is generated. An error after "
        "the first byte cuts the body off, which HTTP clients report.",
        GenerateBody,
        GENERATION,
    ),
    "POST /v1/responses": Operation(
        GENERATE,
        "Answer a conversation with items",
        {JSON: response_objects.Response, EVENTS: response_objects.ResponseEvent},
        "OpenAI's Responses API. Nothing is stored. With `stream` the answer comes as numbered "
        "events; the last is `response.completed`, `response.incomplete` or `response.failed`.",
        ResponsesBody,
        GENERATION,
    ),
    "POST /v1/embeddings": Operation(
        EMBED,
        "Make vectors of texts",
        {JSON: responses.EmbeddingList},
        "OpenAI's embeddings API, with a model that embeds; a service does one or the other.",
        EmbeddingsBody,
        GENERATION,
    ),
    "DELETE /v1/requests/*": Operation(
        GENERATE,
        "Cancel a request",
        {JSON: responses.CancelledRequest},
        "Ends the request that has this `X-Request-Id`; its client gets the error `cancelled`.",
        errors=(404, 503),
        identifier="request_id",
    ),
    "POST /v1/files": Operation(
        BATCHES,
        "Upload a file of requests",
        FILE,
        "Batches need the setting `batch_dir`; without it, these routes answer 404.",
        batch_objects.FileForm,
        (404, 503),
    ),
    "GET /v1/files": Operation(
        BATCHES,
        "List the files",
        {JSON: batch_objects.FileList},
        errors=(400, 404, 503),
        query=_page(MAX_FILES),
    ),
    "GET /v1/files/*": Operation(
        BATCHES, "Describe a file", FILE, errors=(404, 503), identifier="file_id"
    ),
    "DELETE /v1/files/*": Operation(
        BATCHES,
        "Delete a file",
        {JSON: batch_objects.DeletedFile},
        "Refused while a batch reads it.",
        errors=(400, 404, 503),
        identifier="file_id",
    ),
    "GET /v1/files/*/content": Operation(
        BATCHES, "Download a file", {JSON_LINES: str}, errors=(404, 503), identifier="file_id"
    ),
    "POST /v1/batches": Operation(
        BATCHES,
        "Run a file of requests in the background",
        BATCH,
        "Each line of the file waits while other requests do.",
        BatchBody,
        (404, 503),
    ),
    "GET /v1/batches": Operation(
        BATCHES,
        "List the batches",
        {JSON: batch_objects.BatchList},
        errors=(400, 404, 503),
        query=_page(MAX_BATCHES),
    ),
    "GET /v1/batches/*": Operation(
        BATCHES, "Describe a batch", BATCH, errors=(404, 503), identifier="batch_id"
    ),
    "POST /v1/batches/*/cancel": Operation(
        BATCHES,
        "Cancel a batch",
        BATCH,
        "Its answers so far become files.",
        errors=(400, 404, 503),
        identifier="batch_id",
    ),
    "GET /v1/models": Operation(
        MODELS,
        "List the models",
        {JSON: responses.ModelList},
        "Each with its limits and with what the backend supports.",
        errors=(503,),
    ),
    "GET /v1/models/*": Operation(
        MODELS,
        "Describe one model",
        {JSON: responses.ModelCard},
        errors=(404, 503),
        identifier="model",
    ),
    "POST /v1/load_lora_adapter": Operation(
        OPERATE,
        "Load an adapter",
        {JSON: responses.ModelCard},
        "From a directory that the setting `adapter_loading` allows.",
        LoadAdapterBody,
        (403, 503),
    ),
    "POST /v1/unload_lora_adapter": Operation(
        OPERATE,
        "Unload an adapter",
        {JSON: responses.DeletedModel},
        "It takes no more requests; those that it has are answered.",
        UnloadAdapterBody,
        (403, 404, 503),
    ),
    "POST /tokenize": Operation(
        MODELS,
        "Turn a text or a conversation into token ids",
        {JSON: responses.TokenList},
        "Exactly one of `prompt` and `messages` is needed.",
        TokenizeBody,
        (404, 503),
    ),
    "POST /detokenize": Operation(
        MODELS,
        "Turn token ids into text",
        {JSON: responses.DetokenizedText},
        body=DetokenizeBody,
        errors=(404, 503),
    ),
    "GET /livez": Operation(
        OPERATE,
        "Whether the process can go on",
        {JSON: responses.AliveStatus},
        "503 once only a restart can help.",
        errors=(503,),
    ),
    "GET /readyz": Operation(
        OPERATE,
        "Whether requests can be served",
        READY,
        "503 while the model is loaded and while the service ends.",
        errors=(503,),
    ),
    **{
        f"GET {path}": Operation(OPERATE, PROBE, READY, errors=(503,))
        for path in ("/healthz", "/health", "/ping")
    },
    "GET /version": Operation(
        OPERATE, "The engine's version", {JSON: responses.EngineVersion}, errors=(503,)
    ),
    "GET /metrics": Operation(
        OPERATE,
        "Series for Prometheus",
        {TEXT: str},
        "Those of this service, then the engine's own.",
        errors=(503,),
    ),
}
"""By method and place in the table of routes."""
