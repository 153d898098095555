"""The table of routes: the path of each handler, and who may call it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from common.http import adapters, generate, openai, operations, pages
from common.http.anthropic import routes as anthropic
from common.http.batches import routes as batch_routes
from common.http.batches.upload import upload
from common.http.dialects import ANTHROPIC, OPENAI, Dialect
from common.http.embeddings import embeddings
from common.http.exchange import Exchange
from common.http.parts import Parts
from common.http.responses.routes import responses
from common.models.model import Task
from common.settings import Settings

T = TypeVar("T")
Access = Literal["key", "public", "metrics_public"]


@dataclass(frozen=True)
class Route(Generic[T]):
    """The handler of a path or, with `prefix`, of every longer path that starts with it and ends
    with `suffix`.

    `needs` returns what the handler gets beside the request, and raises where it is not there yet.
    `access` is given by an API key, to everybody, or as the setting `metrics_public` says. A
    handler that generates returns the finish reason of its first answer, None where it embeds, as
    the `task` says. GET comes with HEAD. Errors have the shape of the `dialect`.
    """

    method: str
    path: str
    handler: Callable[[Exchange, T], Awaitable[str | None]]
    needs: Callable[[Parts], T]
    access: Access = "key"
    prefix: bool = False
    suffix: str = ""
    generates: bool = False
    task: Task = "generate"
    page: bool = False
    dialect: Dialect = OPENAI

    @property
    def path_pattern(self) -> str:
        """Returns the path, with `*` for the name in it."""
        return f"{self.path}*{self.suffix}" if self.prefix else self.path

    @property
    def methods(self) -> tuple[str, ...]:
        return ("GET", "HEAD") if self.method == "GET" else (self.method,)

    def is_public(self, settings: Settings) -> bool:
        """Returns whether no API key is asked for."""
        return self.access == "public" or (
            self.access == "metrics_public" and settings.metrics_public
        )

    def matches(self, path: str) -> bool:
        """Returns whether `path` goes on after this prefix; that of a page may be all of it."""
        named = path.startswith(self.path) and path.rstrip("/").endswith(self.suffix)
        return named and (self.page or path != self.path)

    def name_in(self, path: str) -> str:
        """Returns the name that stands in a path of this pattern."""
        return path[len(self.path) :].rstrip("/").removesuffix(self.suffix)


# Without a type for the tuple, each handler is checked against what its route needs.
ROUTES = (
    Route("POST", "/generate", generate.generate, Parts.ready_runtime, generates=True),
    Route("POST", "/v1/responses", responses, Parts.ready_runtime, generates=True),
    Route(
        "POST",
        "/v1/chat/completions",
        openai.chat_completions,
        Parts.ready_runtime,
        generates=True,
    ),
    Route("POST", "/v1/completions", openai.completions, Parts.ready_runtime, generates=True),
    Route("POST", "/v1/embeddings", embeddings, Parts.ready_runtime, generates=True, task="embed"),
    Route(
        "POST",
        "/v1/messages",
        anthropic.messages,
        Parts.ready_runtime,
        generates=True,
        dialect=ANTHROPIC,
    ),
    Route(
        "POST",
        "/v1/messages/count_tokens",
        anthropic.count_tokens,
        Parts.ready_runtime,
        dialect=ANTHROPIC,
    ),
    Route("POST", "/v1/files", upload, Parts.known_batches),
    Route("GET", "/v1/files", batch_routes.list_files, Parts.known_batches),
    Route(
        "GET",
        "/v1/files/",
        batch_routes.send_content,
        Parts.known_batches,
        prefix=True,
        suffix="/content",
    ),
    Route("GET", "/v1/files/", batch_routes.show_file, Parts.known_batches, prefix=True),
    Route("DELETE", "/v1/files/", batch_routes.delete_file, Parts.known_batches, prefix=True),
    Route("POST", "/v1/batches", batch_routes.create_batch, Parts.batches_and_bodies),
    Route("GET", "/v1/batches", batch_routes.list_batches, Parts.known_batches),
    Route(
        "POST",
        "/v1/batches/",
        batch_routes.cancel_batch,
        Parts.known_batches,
        prefix=True,
        suffix="/cancel",
    ),
    Route("GET", "/v1/batches/", batch_routes.show_batch, Parts.known_batches, prefix=True),
    Route("GET", "/v1/models", operations.models, Parts.ready_runtime),
    Route("GET", "/v1/models/", operations.model, Parts.ready_runtime, prefix=True),
    Route("POST", "/v1/load_lora_adapter", adapters.load_adapter, Parts.ready_runtime),
    Route("POST", "/v1/unload_lora_adapter", adapters.unload_adapter, Parts.ready_runtime),
    Route("DELETE", "/v1/requests/", operations.cancel, Parts.ready_runtime, prefix=True),
    Route("POST", "/tokenize", operations.tokenize, Parts.ready_runtime),
    Route("POST", "/detokenize", operations.detokenize, Parts.ready_runtime),
    Route("GET", "/livez", operations.alive, Parts.lifecycle, "public"),
    Route("GET", "/readyz", operations.ready, Parts.lifecycle, "public"),
    Route("GET", "/healthz", operations.ready, Parts.lifecycle, "public"),
    Route("GET", "/health", operations.ready, Parts.lifecycle, "public"),
    Route("GET", "/ping", operations.ready, Parts.lifecycle, "public"),
    Route("GET", "/version", operations.version, Parts.known_runtime),
    Route("GET", "/metrics", operations.metrics, Parts.known_runtime, "metrics_public"),
    Route("GET", "/", pages.chat, Parts.own_pages, "public", page=True),
    Route("GET", "/docs", pages.reference, Parts.own_pages, "public", page=True),
    Route("GET", "/openapi.json", pages.openapi, Parts.own_pages, "public", page=True),
    Route("GET", "/web/", pages.file, Parts.own_pages, "public", prefix=True, page=True),
    Route("GET", "/bentoml", pages.bentoml, Parts.bentoml_pages, page=True),
    Route("GET", "/docs.json", pages.bentoml, Parts.bentoml_pages, page=True),
    Route("GET", "/schema.json", pages.bentoml, Parts.bentoml_pages, page=True),
    Route("GET", "/static_content/", pages.bentoml, Parts.bentoml_pages, prefix=True, page=True),
    Route("GET", "/assets/", pages.bentoml, Parts.bentoml_pages, prefix=True, page=True),
)
