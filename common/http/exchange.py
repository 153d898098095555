"""One HTTP request and its response, on bare ASGI: every token passes here."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import orjson

from common.errors import Cancelled, InternalError, ServiceError
from common.http.dialects import OPENAI, Dialect
from common.keys.account import Account
from common.models.adapters import Adapter
from common.serving.generations import Generations

logger = logging.getLogger("bentoml.llm.http")

Scope = MutableMapping[str, Any]
ASGIMessage = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[ASGIMessage]]
Send = Callable[[ASGIMessage], Awaitable[None]]
T = TypeVar("T")
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

JSON = b"application/json"
EVENT_STREAM = b"text/event-stream; charset=utf-8"
NO_CACHE = (b"cache-control", b"no-cache")
ABORT_TIMEOUT = 0.5
"""Seconds that an answer waits for the abortion of its generation, which then goes on by itself."""
LET_IN = "let_in"
"""The key in a scope for the function that is called when its sender may use the service."""
REFUSAL = "refusal"
"""The key in a scope for the error that the protocol raised for the request."""


APART = ThreadPoolExecutor(1, "large-body")
"""One at a time: each thread that computes has the interpreter as long as the event loop."""
BATCH_OWNER = "batch_owner"
"""The key in a scope for the name whose batch the request is a line of; no client can set it."""


class Exchange:
    """`started` is True once the status line is out and can no longer change.

    `path_rest` is what follows in the path where a route is a prefix: the id of what it names.
    `client` is whose request it is: an address, or a key's SHA-256. `dialect` is the one of the
    route. `headers` are sent with the response, whatever it is. `account` is that of the client's
    key, None where no key is needed. `adapter` is the one that the body names, once that is known.
    `large` is whether the body has so many bytes that work on it would hold up others.
    """

    __slots__ = (
        "account",
        "adapter",
        "client",
        "dialect",
        "headers",
        "large",
        "path_rest",
        "receive",
        "request_id",
        "scope",
        "send",
        "started",
        "status",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send
        self.request_id = request_id
        self.path_rest = ""
        self.dialect: Dialect = OPENAI
        self.account: Account | None = None
        self.headers: list[tuple[bytes, bytes]] = []
        self.adapter: Adapter | None = None
        self.client = scope["client"][0] if scope.get("client") else ""
        self.large = self.started = False
        self.status = 0

    async def apart(self, work: Callable[..., T], *arguments: Any) -> T:
        """Returns what `work` on the body returns, which goes on in a thread where it is large."""
        if not self.large:
            return work(*arguments)
        return await asyncio.get_running_loop().run_in_executor(APART, work, *arguments)

    @property
    def of_batch(self) -> bool:
        """Whether the request is a line of a batch."""
        return BATCH_OWNER in self.scope

    @property
    def owner(self) -> str | None:
        """Returns the name of the client's key, None where no key is needed."""
        return None if self.account is None else self.account.name

    def header(self, name: bytes) -> str | None:
        """Returns the first value of a request header; `name` is in lower case."""
        for key, value in self.scope["headers"]:
            if key == name:
                return str(value, "latin-1")
        return None

    def let_in(self) -> None:
        """Note at the connection that its sender may use the service."""
        note = self.scope.get(LET_IN)
        if note is not None:
            note()

    @property
    def refused(self) -> bool:
        """Whether the protocol refused the request, so that nothing more is read of its sender."""
        return REFUSAL in self.scope

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
                    *self.dialect.headers(self.request_id),
                    *self.headers,
                    *headers,
                ],
            }
        )

    async def start_stream(self) -> None:
        """Start a response of status 200 that is sent while it is generated."""
        await self.start(200, EVENT_STREAM, [NO_CACHE])

    async def write(self, data: bytes) -> None:
        await self.send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self, data: bytes = b"") -> None:
        """Send the rest and the end of a stream in one piece: each costs a system call."""
        await self.send({"type": "http.response.body", "body": data, "more_body": False})

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
        task = asyncio.create_task(_checked(self.request_id, work))
        # Where others have ended it, nobody asks for its exception.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        watcher = asyncio.create_task(_disconnected(self.receive))
        with generations.register(self.request_id, task) as generation:
            try:
                ends = (task, watcher, generation.ended)
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                if generation.error is not None:
                    raise generation.error
                if task.done():
                    return task.result()
                raise Cancelled("the client left")
            finally:
                watcher.cancel()
                if not task.done():
                    task.cancel()
                    # An engine that hangs may not even take an abortion.
                    await asyncio.wait([task], timeout=ABORT_TIMEOUT)


async def _checked(request_id: str, work: Coroutine[None, None, None]) -> None:
    """Raises InternalError for anything but a ServiceError."""
    try:
        await work
    except ServiceError:
        raise
    except Exception as error:
        logger.exception("request %s failed", request_id)
        raise InternalError("internal error; the log has the details") from error


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
