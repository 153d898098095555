"""The pages: a chat at /, the reference at /docs, the OpenAPI document, and BentoML's own page.

They are the same for every model and hold no secret, so that they need no API key. BentoML's page
loads scripts from other hosts; ours asks this service only.
"""

import asyncio
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path, PurePath

import orjson

from common.errors import NotFound
from common.http.exchange import ASGIApp, ASGIMessage, Exchange
from common.http.reference.openapi import DocumentedRoute, document
from common.http.reference.page import reference_page
from common.settings import Settings

WEB = Path(__file__).parent / "web"
HTML = b"text/html; charset=utf-8"
TYPES = {
    ".css": b"text/css; charset=utf-8",
    ".html": HTML,
    ".js": b"text/javascript; charset=utf-8",
    ".svg": b"image/svg+xml",
}
"""Media types by the ends of the names of files that are sent as they are."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-cache"),
)


class Pages:
    """What is sent, made when it is first asked for: in a thread, since it takes 0.4 s."""

    def __init__(self, routes: Iterable[DocumentedRoute], settings: Settings) -> None:
        self._routes = routes
        self._settings = settings

    @cached_property
    def files(self) -> dict[str, bytes]:
        return {each.name: each.read_bytes() for each in WEB.iterdir() if each.suffix in TYPES}

    @cached_property
    def openapi(self) -> bytes:
        return orjson.dumps(document(self._routes, self._settings))

    @cached_property
    def reference(self) -> bytes:
        return reference_page(orjson.loads(self.openapi)).encode()


async def chat(exchange: Exchange, pages: Pages) -> None:
    await exchange.respond(200, pages.files["chat.html"], HTML, HEADERS)


async def reference(exchange: Exchange, pages: Pages) -> None:
    if not await _redirect(exchange):
        data = await asyncio.to_thread(lambda: pages.reference)
        await exchange.respond(200, data, HTML, HEADERS)


async def openapi(exchange: Exchange, pages: Pages) -> None:
    data = await asyncio.to_thread(lambda: pages.openapi)
    await exchange.respond(200, data, headers=HEADERS)


async def file(exchange: Exchange, pages: Pages) -> None:
    """GET /web/{name} answers with a file of the pages."""
    data = pages.files.get(exchange.path_rest)
    if data is None:
        raise NotFound("the pages have no file of that name")
    await exchange.respond(200, data, TYPES[PurePath(exchange.path_rest).suffix], HEADERS)


async def bentoml(exchange: Exchange, application: ASGIApp) -> None:
    """Answer with one of BentoML's own pages, with our request id; its first one is at /bentoml."""

    async def send(message: ASGIMessage) -> None:
        if message["type"] == "http.response.start":
            exchange.started = True
            message["headers"].append((b"x-request-id", exchange.request_id.encode()))
        await exchange.send(message)

    if await _redirect(exchange):
        return
    scope = exchange.scope
    if scope["path"] == "/bentoml":
        scope = {**scope, "path": "/", "raw_path": b"/"}
    await application(scope, exchange.receive, send)


async def _redirect(exchange: Exchange) -> bool:
    """Leave out a slash at the end, where the relative links of a page would not lead. Returns
    whether that was the answer."""
    path = exchange.scope["path"]
    if not path.endswith("/"):
        return False
    location = f"../{PurePath(path).name}".encode()
    await exchange.respond(308, b"", headers=[(b"location", location)])
    return True
