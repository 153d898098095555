"""One HTTP request and its response, on bare ASGI: every token passes here."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

import orjson

from common.errors import ServiceError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

JSON = b"application/json"
REFUSAL = "refusal"
"""The key in a scope for the error that the protocol found in the request."""


class Exchange:
    """`started` is True once the status line is out and can no longer change."""

    __slots__ = ("receive", "request_id", "scope", "send", "started", "status")

    def __init__(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send
        self.request_id = request_id
        self.started = False
        self.status = 0

    def header(self, name: bytes) -> str | None:
        """The first value of a request header; `name` in lower case."""
        for key, value in self.scope["headers"]:
            if key == name:
                return str(value, "latin-1")
        return None

    def check(self) -> None:
        """Raises the error that the protocol found in the head, the trailers or the chunks."""
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
