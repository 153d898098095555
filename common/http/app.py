"""The ASGI application: every request and every error of the service passes here.

What is not in the table of routes is 404 or 405 in the shape of our errors.
"""

import errno
import logging
import re
import time
import uuid
from collections.abc import Sequence
from typing import Any

import orjson

from common.errors import (
    Cancelled,
    EngineDead,
    InternalError,
    InvalidAPIKey,
    MethodNotAllowed,
    NoSpace,
    NotFound,
    RequestError,
    ServiceError,
)
from common.http.exchange import BATCH_OWNER, Exchange, Receive, Scope, Send
from common.http.pages import Pages
from common.http.parts import Parts
from common.http.routes import ROUTES, Route
from common.http.runtime import Runtime
from common.http.schemas import REQUEST_ID
from common.http.tracing import generation_span
from common.keys.account import Account
from common.keys.file import digest
from common.keys.keyring import Keyring
from common.serving.lifecycle import Lifecycle
from common.settings import Settings

logger = logging.getLogger("bentoml.llm.http")

NO_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
SANE_REQUEST_ID = re.compile(REQUEST_ID)


class App(Parts):
    """Answers as much as is there."""

    def __init__(self, settings: Settings, lifecycle: Lifecycle) -> None:
        pages = Pages([route for route in ROUTES if not route.page], settings)
        super().__init__(settings, lifecycle, pages)
        self.keys = Keyring(settings.api_keys, settings.api_keys_file)
        served = [route for route in ROUTES if settings.docs or not route.page]
        self._by_pattern: dict[str, list[Route[Any]]] = {}
        for route in served:
            self._by_pattern.setdefault(route.path_pattern, []).append(route)
        self._prefixes = [routes for routes in self._by_pattern.values() if routes[0].prefix]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        exchange = Exchange(scope, receive, send, "")
        given = exchange.header(b"x-request-id")
        sane = given is not None and SANE_REQUEST_ID.fullmatch(given)
        exchange.request_id = given if given and sane else uuid.uuid4().hex
        routes = self._find(scope["path"])
        if routes:
            exchange.dialect = routes[0].dialect
        try:
            exchange.check()
            route = _checked(routes, scope["method"])
            self._authorize(exchange, route)
            exchange.path_rest = route.name_in(scope["path"])
            needed = route.needs(self)
            if route.generates:
                await self._generate(exchange, route, needed)
            else:
                await route.handler(exchange, needed)
        except ServiceError as error:
            if routes and routes[0].generates:
                self._count_refusal(exchange, error)
            await self._fail(exchange, error)
        except Exception as error:
            await self._fail(exchange, _described(error, exchange.request_id))

    def _find(self, path: str) -> Sequence[Route[Any]]:
        """Returns the routes of a path, one for each method; a slash may follow it."""
        return (
            self._by_pattern.get(path)
            or next((each for each in self._prefixes if each[0].matches(path)), None)
            or self._by_pattern.get(path.rstrip("/"))
            or ()
        )

    def _authorize(self, exchange: Exchange, route: Route[Any]) -> None:
        """Raises InvalidAPIKey, RateLimited."""
        if route.is_public(self.settings):
            return
        if not self.keys.needed:
            exchange.let_in()
            return
        account = self._account(exchange)
        if account is None:
            raise InvalidAPIKey(
                "a valid API key is needed: Authorization: Bearer <key>, or x-api-key: <key>"
            )
        exchange.account = account
        exchange.let_in()
        try:
            account.accept()
        finally:
            exchange.headers += account.headers()

    def _account(self, exchange: Exchange) -> Account | None:
        """Returns whose key came with the request, or whose batch it is of."""
        if exchange.of_batch:
            return self.keys.accounts.get(exchange.scope[BATCH_OWNER])
        scheme, _, given = (exchange.header(b"authorization") or "").partition(" ")
        if scheme.lower() != "bearer":
            given = exchange.header(b"x-api-key") or ""
        key = given.strip().encode("latin-1")
        exchange.client = digest(key).hex()
        return self.keys.account_of(key)

    async def _generate(self, exchange: Exchange, route: Route[Any], runtime: Runtime) -> None:
        """Count the generation by its outcome, with one span and one log line."""
        start = time.perf_counter()
        outcome = "error"
        try:
            self._lifecycle.check()
            if not exchange.of_batch:
                runtime.pipeline.admission.check_room(exchange.client)
            with generation_span(exchange, route.path, runtime):
                runtime.check_task(route.task, route.path)
                outcome = await route.handler(exchange, runtime) or "stop"
        except ServiceError as error:
            outcome = _outcome(error)
            raise
        finally:
            seconds = time.perf_counter() - start
            series = runtime.metrics.of(exchange.adapter)
            series.count_request(outcome, seconds, exchange.request_id)
            logger.info(
                "request %s %s %s in %.3f s", exchange.request_id, route.path, outcome, seconds
            )

    def _count_refusal(self, exchange: Exchange, error: ServiceError) -> None:
        if self.runtime is not None and not exchange.started:
            self.runtime.metrics.count_refusal(error)

    async def _fail(self, exchange: Exchange, error: ServiceError) -> None:
        """Answer with the error; a response that has started is left as its handler ended it."""
        if error.status in (500, 507) or isinstance(error, EngineDead) or exchange.started:
            logger.warning("request %s: %s: %s", exchange.request_id, error.code, error.message)
        if exchange.started:
            return
        headers = [(name.encode(), value.encode()) for name, value in error.headers.items()]
        if exchange.refused or error.status in (413, 415):
            headers.append((b"connection", b"close"))
        body = orjson.dumps(exchange.dialect.body(error, exchange.request_id))
        await exchange.respond(error.status, body, headers=headers)


def _checked(routes: Sequence[Route[Any]], method: str) -> Route[Any]:
    """Returns the one of that method. Raises NotFound, MethodNotAllowed."""
    if not routes:
        known = dict.fromkeys(each.path for each in ROUTES if not (each.prefix or each.page))
        raise NotFound(f"no such path; there are {', '.join(known)}")
    route = next((each for each in routes if method in each.methods), None)
    if route is None:
        allowed = ", ".join(name for each in routes for name in each.methods)
        raise MethodNotAllowed(
            f"{routes[0].path} takes {allowed} only, not {method[:16]}", allow=allowed
        )
    return route


def _described(error: Exception, request_id: str) -> ServiceError:
    """Returns what a client may know of a failure of ours. The log has the rest."""
    if isinstance(error, MemoryError):
        return NoSpace("the service has no memory left for this request")
    if isinstance(error, OSError) and error.errno in NO_DISK:
        return NoSpace("the service has no disk space left for this request")
    logger.exception("request %s failed", request_id, exc_info=error)
    return InternalError("internal error; the log has the details")


def _outcome(error: ServiceError) -> str:
    """Returns the name under which the metrics count a request that ended with `error`."""
    if isinstance(error, Cancelled):
        return "cancelled"
    refused = isinstance(error, RequestError) or error.code in ("overloaded", "draining")
    return "rejected" if refused or error.code == "not_ready" else "error"
