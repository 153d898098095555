"""The ASGI application: every request and every error of the service passes here.

The table of routes stands at the end. All else is 404 or 405 in the shape of our errors.
"""

import hmac
import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

import orjson

from common.errors import (
    Cancelled,
    EngineDead,
    InternalError,
    InvalidAPIKey,
    MethodNotAllowed,
    NotFound,
    RequestError,
    ServiceError,
)
from common.http import generate, openai, operations
from common.http.exchange import ASGIApp, Exchange, Receive, Scope, Send
from common.http.runtime import Runtime
from common.http.tracing import generation_span
from common.serving.lifecycle import Lifecycle
from common.settings import Settings

logger = logging.getLogger("bentoml.llm.http")

T = TypeVar("T")
Access = Literal["key", "public", "metrics_public"]
SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


@dataclass(frozen=True)
class Route(Generic[T]):
    """The handler of a path or, with `prefix`, of every longer path that starts with it.

    `needs` returns what the handler gets beside the request, and raises where it is not there yet.
    `access` is given by an API key, to everybody, or as the setting `metrics_public` says. A
    handler that generates returns the finish reason of its first answer. Pages answer HEAD, too.
    """

    method: str
    path: str
    handler: Callable[[Exchange, T], Awaitable[str | None]]
    needs: Callable[["App"], T]
    access: Access = "key"
    prefix: bool = False
    generates: bool = False
    page: bool = False

    def matches(self, path: str) -> bool:
        """Returns whether `path` goes on after this prefix; that of a page may be all of it."""
        return path.startswith(self.path) and (self.page or path != self.path)


class App:
    """Answers as much as is there: `runtime` is set once the model is known, before the engine
    starts. `pages` is BentoML's own application, for its documentation.
    """

    def __init__(self, settings: Settings, lifecycle: Lifecycle) -> None:
        self.settings = settings
        self.runtime: Runtime | None = None
        self.pages: ASGIApp | None = None
        self._lifecycle = lifecycle
        self._keys = [key.encode() for key in settings.api_keys]
        served = [route for route in ROUTES if settings.docs or not route.page]
        self._paths: dict[str, Route[Any]] = {each.path: each for each in served if not each.prefix}
        self._prefixes = [route for route in served if route.prefix]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        exchange = Exchange(scope, receive, send, "")
        given = exchange.header(b"x-request-id")
        sane = given is not None and SANE_REQUEST_ID.fullmatch(given)
        exchange.request_id = given if given and sane else uuid.uuid4().hex
        try:
            exchange.check()
            route = self._find(scope["method"], scope["path"])
            self._authorize(exchange, route)
            exchange.path_rest = scope["path"][len(route.path) :]
            needed = route.needs(self)
            if route.generates:
                await self._generate(exchange, route, needed)
            else:
                await route.handler(exchange, needed)
        except ServiceError as error:
            await self._fail(exchange, error)
        except Exception:
            logger.exception("request %s failed", exchange.request_id)
            await self._fail(exchange, InternalError("internal error; the log has the details"))

    def lifecycle(self) -> Lifecycle:
        """Returns the state of the service, at any time."""
        return self._lifecycle

    def known_runtime(self) -> Runtime:
        """Returns the runtime, whose engine may still be starting. Raises NotReady before."""
        if self.runtime is None:
            self._lifecycle.check()
            raise InternalError("ready without a model")
        return self.runtime

    def ready_runtime(self) -> Runtime:
        """Returns the runtime once its engine has started. Raises NotReady before."""
        if not self._lifecycle.ready:
            self._lifecycle.check()
        return self.known_runtime()

    def documentation(self) -> ASGIApp:
        """Returns the application that answers for BentoML's own pages, at any time."""
        assert self.pages is not None
        return self.pages

    def _find(self, method: str, path: str) -> Route[Any]:
        """Raises NotFound and MethodNotAllowed."""
        route = self._paths.get(path) or next(
            (each for each in self._prefixes if each.matches(path)), None
        )
        if route is None:
            known = ", ".join(each.path for each in ROUTES if not (each.prefix or each.page))
            raise NotFound(f"no such path; there are {known}")
        if method != route.method and not (method == "HEAD" and route.page):
            raise MethodNotAllowed(
                f"{path} takes {route.method} only, not {method[:16]}", allow=route.method
            )
        return route

    def _authorize(self, exchange: Exchange, route: Route[Any]) -> None:
        """Raises InvalidAPIKey. Compares with every key, so that the time taken tells nothing."""
        public = route.access == "public" or (
            route.access == "metrics_public" and self.settings.metrics_public
        )
        if not self._keys or public:
            return
        scheme, _, key = (exchange.header(b"authorization") or "").partition(" ")
        given = key.strip().encode("latin-1") if scheme.lower() == "bearer" else b""
        matches = [hmac.compare_digest(given, known) for known in self._keys]
        if not any(matches):
            raise InvalidAPIKey("a valid API key is needed: Authorization: Bearer <key>")

    async def _generate(self, exchange: Exchange, route: Route[Any], runtime: Runtime) -> None:
        """Count the generation by its outcome, with one span and one log line."""
        start = time.perf_counter()
        outcome = "error"
        try:
            self._lifecycle.check()
            with generation_span(exchange, route.path, runtime):
                outcome = await route.handler(exchange, runtime) or "stop"
        except ServiceError as error:
            outcome = _outcome(error)
            raise
        finally:
            seconds = time.perf_counter() - start
            runtime.metrics.count_request(outcome, seconds, exchange.request_id)
            logger.info(
                "request %s %s %s in %.3f s", exchange.request_id, route.path, outcome, seconds
            )

    async def _fail(self, exchange: Exchange, error: ServiceError) -> None:
        """Answer with the error; a response that has started is left as its handler ended it."""
        if error.status == 500 or isinstance(error, EngineDead) or exchange.started:
            logger.warning("request %s: %s: %s", exchange.request_id, error.code, error.message)
        if exchange.started:
            return
        headers = [(name.encode(), value.encode()) for name, value in error.headers.items()]
        if error.status in (413, 414, 415, 431):
            headers.append((b"connection", b"close"))
        body = orjson.dumps(error.body(exchange.request_id))
        await exchange.respond(error.status, body, headers=headers)


def _outcome(error: ServiceError) -> str:
    """Returns the name under which the metrics count a request that ended with `error`."""
    if isinstance(error, Cancelled):
        return "cancelled"
    refused = isinstance(error, RequestError) or error.code in ("overloaded", "draining")
    return "rejected" if refused or error.code == "not_ready" else "error"


# Without a type for the tuple, each handler is checked against what its route needs.
ROUTES = (
    Route("POST", "/generate", generate.generate, App.ready_runtime, generates=True),
    Route(
        "POST",
        "/v1/chat/completions",
        openai.chat_completions,
        App.ready_runtime,
        generates=True,
    ),
    Route("POST", "/v1/completions", openai.completions, App.ready_runtime, generates=True),
    Route("GET", "/v1/models", operations.models, App.ready_runtime),
    Route("GET", "/v1/models/", operations.model, App.ready_runtime, prefix=True),
    Route("DELETE", "/v1/requests/", operations.cancel, App.ready_runtime, prefix=True),
    Route("POST", "/tokenize", operations.tokenize, App.ready_runtime),
    Route("POST", "/detokenize", operations.detokenize, App.ready_runtime),
    Route("GET", "/livez", operations.alive, App.lifecycle, "public"),
    Route("GET", "/readyz", operations.ready, App.lifecycle, "public"),
    Route("GET", "/healthz", operations.ready, App.lifecycle, "public"),
    Route("GET", "/metrics", operations.metrics, App.known_runtime, "metrics_public"),
    Route("GET", "/", operations.page, App.documentation, page=True),
    Route("GET", "/docs.json", operations.page, App.documentation, page=True),
    Route("GET", "/schema.json", operations.page, App.documentation, page=True),
    Route("GET", "/static_content/", operations.page, App.documentation, prefix=True, page=True),
    Route("GET", "/assets/", operations.page, App.documentation, prefix=True, page=True),
)
