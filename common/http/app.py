"""The ASGI application: every request and every error of the service passes here."""

import hmac
import logging
import re
import time
import uuid

import orjson

from common.errors import (
    Cancelled,
    EngineDead,
    InternalError,
    InvalidAPIKey,
    RequestError,
    ServiceError,
)
from common.http import operations
from common.http.exchange import ASGIApp, Exchange, Message, Receive, Scope, Send
from common.http.routes import GENERATIONS, NAMED, OPERATIONS, Route, find
from common.http.runtime import Runtime
from common.http.tracing import generation_span
from common.serving.lifecycle import Lifecycle
from common.settings import Settings

logger = logging.getLogger("bentoml.llm.http")

SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class App:
    """`runtime` is set when the model is loaded; until then only `pages` and /livez answer 200.

    `loading` is set once the model is known: /metrics answers then, too. `pages` is BentoML's own
    application, for its documentation.
    """

    def __init__(self, settings: Settings, lifecycle: Lifecycle) -> None:
        self.settings = settings
        self.lifecycle = lifecycle
        self.runtime: Runtime | None = None
        self.loading: Runtime | None = None
        self.pages: ASGIApp | None = None
        self._keys = [key.encode() for key in settings.api_keys]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        exchange = Exchange(scope, receive, send, "")
        wanted = exchange.header(b"x-request-id")
        sane = wanted is not None and SANE_REQUEST_ID.fullmatch(wanted)
        exchange.request_id = wanted if wanted and sane else uuid.uuid4().hex
        try:
            exchange.check()
            route = find(scope["method"], scope["path"], pages=self.settings.docs)
            self._authorize(exchange, route)
            await self._dispatch(exchange, route)
        except ServiceError as error:
            await self._fail(exchange, error)
        except Exception:
            logger.exception("request %s failed", exchange.request_id)
            await self._fail(exchange, InternalError("internal error; the log has the details"))

    async def _dispatch(self, exchange: Exchange, route: Route) -> None:
        if route.kind == "health":
            check = operations.alive if route.path == "/livez" else operations.ready
            await check(exchange, self.lifecycle)
        elif route.kind == "generation":
            await self._generation(exchange, route)
        elif route.kind == "metrics":
            runtime = self.loading or self._loaded()
            await operations.metrics(exchange, runtime, self.lifecycle)
        elif route.kind == "page":
            await self._page(exchange)
        elif route.kind == "operation":
            await OPERATIONS[route.path][1](exchange, self._loaded())
        else:
            await NAMED[route.path][1](exchange, self._loaded(), route.name)

    async def _generation(self, exchange: Exchange, route: Route) -> None:
        """A generation, counted by its outcome, with one span and one log line."""
        runtime = self._loaded()
        begun = time.perf_counter()
        outcome = "error"
        try:
            self.lifecycle.check()
            with generation_span(exchange, route.path, runtime):
                outcome = await GENERATIONS[route.path](exchange, runtime)
        except ServiceError as error:
            outcome = _outcome(error)
            raise
        finally:
            seconds = time.perf_counter() - begun
            runtime.metrics.count_request(outcome, seconds, exchange.request_id)
            logger.info(
                "request %s %s %s in %.3f s", exchange.request_id, route.path, outcome, seconds
            )

    async def _page(self, exchange: Exchange) -> None:
        """One of BentoML's own pages, with our request id."""

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.started = True
                message["headers"].append((b"x-request-id", exchange.request_id.encode()))
            await exchange.send(message)

        assert self.pages is not None
        await self.pages(exchange.scope, exchange.receive, send)

    def _loaded(self) -> Runtime:
        if self.runtime is None:
            self.lifecycle.check()
            raise InternalError("ready without a model")
        return self.runtime

    def _authorize(self, exchange: Exchange, route: Route) -> None:
        """Raises InvalidAPIKey. Every key is compared, so that time tells nothing."""
        public = route.kind == "health" or (
            route.kind == "metrics" and self.settings.metrics_public
        )
        if not self._keys or public:
            return
        scheme, _, key = (exchange.header(b"authorization") or "").partition(" ")
        given = key.strip().encode("latin-1") if scheme.lower() == "bearer" else b""
        matches = [hmac.compare_digest(given, known) for known in self._keys]
        if not any(matches):
            raise InvalidAPIKey("a valid API key is needed: Authorization: Bearer <key>")

    async def _fail(self, exchange: Exchange, error: ServiceError) -> None:
        """The error body; once a stream has begun its framing has told the error already."""
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
    """The metrics' name for how a request ended."""
    if isinstance(error, Cancelled):
        return "cancelled"
    refused = isinstance(error, RequestError) or error.code in ("overloaded", "draining")
    return "rejected" if refused or error.code == "not_ready" else "error"
