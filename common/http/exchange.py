"""One HTTP request and its response, on bare ASGI: every token passes here."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, MutableMapping
from contextlib import suppress
from typing import Any

import orjson

from common.errors import Cancelled, InternalError, ServiceError
from common.serving.generations import Generations

logger = logging.getLogger("bentoml.llm.http")

Scope = MutableMapping[str, Any]
ASGIMessage = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[ASGIMessage]]
Send = Callable[[ASGIMessage], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

JSON = b"application/json"
EVENT_STREAM = b"text/event-stream; charset=utf-8"
NO_CACHE = (b"cache-control", b"no-cache")
REFUSAL = "refusal"
"""The key in a scope for the error that the protocol raised for the request."""


class Exchange:
    """`started` is True once the status line is out and can no longer change.

    `path_rest` is what follows in the path where a route is a prefix: the id of what it names.
    """

    __slots__ = ("path_rest", "receive", "request_id", "scope", "send", "started", "status")

    def __init__(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send
        self.request_id = request_id
        self.path_rest = ""
        self.started = False
        self.status = 0

    def header(self, name: bytes) -> str | None:
        """Returns the first value of a request header; `name` is in lower case."""
        for key, value in self.scope["headers"]:
            if key == name:
                return str(value, "latin-1")
        return None

    def check(self) -> None:
        """Raises the error that the protocol raised for the head, the trailers or the chunks."""
        error: ServiceError | None = self.scope.get(REFUSAL)
        if error is not None:
            raise error

    async def start(
        self,
        status: int,
        content_type: bytes,
        headers: Iterable[tuple[bytes, bytes]] = (),
    ) -> None:
        self.started = True
        self.status = status
        await self.send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [
                    (b"content-type", content_type),
                    (b"x-request-id", self.request_id.encode()),
                    *headers,
                ],
            }
        )

    async def start_stream(self) -> None:
        """Start a response of status 200 that is sent while it is generated."""
        await self.start(200, EVENT_STREAM, [NO_CACHE])

    async def write(self, data: bytes) -> None:
        await self.send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self) -> None:
        await self.send({"type": "http.response.body", "body": b"", "more_body": False})

    async def respond(
        self,
        status: int,
        body: bytes,
        content_type: bytes = JSON,
        headers: Iterable[tuple[bytes, bytes]] = (),
    ) -> None:
        length = (b"content-length", str(len(body)).encode())
        await self.start(status, content_type, [length, *headers])
        await self.send({"type": "http.response.body", "body": body, "more_body": False})

    async def respond_json(self, value: Any, status: int = 200) -> None:
        await self.respond(status, orjson.dumps(value))

    async def run(self, work: Coroutine[None, None, None], generations: Generations) -> None:
        """Run `work`, registered in `generations`; cancel it as soon as the client leaves.

        Raises what `work` raises; Cancelled when the client has left; the error by which another
        has ended the generation; InternalError for anything but a ServiceError.
        """
        task = asyncio.create_task(_registered(self.request_id, generations, work))
        watcher = asyncio.create_task(_disconnected(self.receive))
        try:
            await asyncio.wait((task, watcher), return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise Cancelled("the client left")
        finally:
            watcher.cancel()
            if not task.done():
                task.cancel()
                with suppress(asyncio.CancelledError, Cancelled):
                    await task


async def _registered(
    request_id: str, generations: Generations, work: Coroutine[None, None, None]
) -> None:
    with generations.register(request_id) as generation:
        try:
            await work
        except asyncio.CancelledError:
            if generation.error is None:
                raise
            raise generation.error from None
        except ServiceError:
            raise
        except Exception as error:
            logger.exception("request %s failed", request_id)
            raise InternalError("internal error; the log has the details") from error


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
