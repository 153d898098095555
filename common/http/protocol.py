"""HTTP/1.1 as uvicorn parses it, with limits on what a client may send, and on its time."""

import asyncio
import math
from functools import partial
from typing import Any, Literal

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from common.errors import HeadersTooLarge, InvalidHTTP, RequestError, RequestTimeout, URITooLong
from common.http.connections import Connections, Limit
from common.http.exchange import LET_IN, REFUSAL
from common.http.half_close import HalfClosed, can_be_told
from common.settings import Settings

MAX_HEADERS = 128
LINGER = 1.0
"""Seconds for the client to end its side; with TLS, closing would read on for half a minute."""
URL_SHARE = 4
"""The URL may take a quarter of the bytes."""


class UnknownLength(int):
    """Stands for the bytes that are left of a body which ends with its connection."""

    def __lt__(self, other: int) -> bool:
        return False

    def __sub__(self, other: int) -> "UnknownLength":
        return self

    __hash__ = int.__hash__


class LimitedProtocol(HttpToolsProtocol):
    """Refuses a request whose URL, headers, trailers or chunk extensions are too large, and one
    whose headers or body take too long.

    httptools keeps an unfinished header without limit and copies it for each read. Where a limit
    is passed nothing more is parsed: the application answers, after the requests before this one,
    and the connection ends.
    """

    def __init__(
        self, *args: Any, settings: Settings, open_connections: Connections, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._limit = settings.max_header_bytes
        self._seconds = {"head": settings.header_timeout, "body": settings.body_timeout}
        self._open_connections = open_connections
        self._timer: asyncio.TimerHandle | None = None
        self._awaited: tuple[Literal["head", "body"], int] | None = None
        """What has to come in time, and of which request."""
        self._requests = 0
        self._in_body = False
        self.address = ""
        self._answered: RequestResponseCycle | None = None
        """The request that is being answered, or was last: `cycle` is the one that came last."""
        self._refusal: RequestError | None = None
        self._unfinished = 0
        """Bytes that came since the last end of a head, part of a body or end of a request."""
        self._field_bytes = 0
        self._fields = 0
        self._in_head = False

    @property
    def waits(self) -> bool:
        """Returns whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def drop(self) -> None:
        self._open_connections.remove(self)
        self.transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        self._await("head")
        self._open_connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._await(None)
        self._open_connections.remove(self)
        super().connection_lost(exc)
        if self._answered is not None:
            self._answered.disconnected = True
            self._answered.message_event.set()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answered = cycle
        super()._start_asgi_task(cycle, app)

    def _await(self, part: Literal["head", "body"] | None) -> None:
        """Start the time of a part of a request, unless it runs already."""
        awaited = None if part is None else (part, self._requests)
        if awaited == self._awaited:
            return
        self._awaited = awaited
        if self._timer is not None:
            self._timer.cancel()
        self._timer = (
            None if part is None else self.loop.call_later(self._seconds[part], self._expire, part)
        )

    def _expire(self, part: Literal["head", "body"]) -> None:
        if self.transport.is_closing() or self._refusal is not None:
            return
        limit: Limit = "header_timeout" if part == "head" else "body_timeout"
        if self.flow.read_paused:
            self._timer = self.loop.call_later(self._seconds[part], self._expire, part)
        elif self._in_head or self._in_body:
            name = "headers" if part == "head" else "body"
            self._open_connections.closed[limit] += 1
            self._refusal = RequestTimeout(
                f"the request's {name} did not come within {self._seconds[part]:g} seconds"
            )
            self._refuse(self._refusal)
        else:
            self._open_connections.closed[limit] += 1
            self.transport.close()

    def timeout_keep_alive_handler(self) -> None:
        if not self.transport.is_closing():
            self._open_connections.closed["keep_alive_timeout"] += 1
        super().timeout_keep_alive_handler()

    def data_received(self, data: bytes) -> None:
        if self._refusal is not None:
            return
        self._unfinished += len(data)
        super().data_received(data)
        if self._unfinished > self._limit and self._refusal is None:
            self._refusal = self._headers_too_large()
            self._open_connections.closed["max_header_bytes"] += 1
            self._refuse(self._refusal)
        if self._in_body:
            self._await("body")
        else:
            self._await("head" if self._in_head or self._unfinished else None)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Returns whether the connection stays: the client may have ended its own side only.

        Once a response has started it counts as gone, since nothing can be sent to find out.
        """
        cycle = self.cycle
        waits = cycle is not None and not (cycle.more_body or cycle.response_started)
        if not waits or self.pipeline or cycle.scope["http_version"] != "1.1":
            return False
        if not can_be_told(self.transport):
            return False
        cycle.keep_alive = False
        HalfClosed(self.loop, self.transport, lambda: cycle.response_started)
        return True

    def on_message_begin(self) -> None:
        self._field_bytes = self._fields = 0
        self._requests += 1
        self._in_head = True
        super().on_message_begin()
        self.scope[LET_IN] = partial(  # type: ignore[literal-required]
            self._open_connections.let_in, self
        )

    def on_url(self, url: bytes) -> None:
        allowed = self._limit // URL_SHARE
        if len(self.url) + len(url) > allowed:
            self._stop(URITooLong(f"the URL is too long; allowed are at most {allowed} bytes"))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """The parser calls this for trailers, too."""
        self._fields += 1
        self._field_bytes += len(name) + len(value) + len(": \r\n")
        if self._fields > MAX_HEADERS or len(self.url) + self._field_bytes > self._limit:
            self._stop(self._headers_too_large())
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._unfinished = 0
        self._in_head, self._in_body = False, True
        super().on_headers_complete()
        if self.scope["http_version"] == "1.0":
            # Such clients know no chunks.
            self.cycle.chunked_encoding = False
            self.cycle.expected_content_length = UnknownLength()

    def on_body(self, body: bytes) -> None:
        self._unfinished = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unfinished = 0
        self._in_body = False
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Called when the parser failed, be it by an error that was raised here."""
        if self._refusal is None:
            self._refusal = InvalidHTTP("what came is not valid HTTP/1.1")
            if not (self._in_head or self._in_body):
                self.on_message_begin()
        self._refuse(self._refusal)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._refusal is not None and self.transport.is_closing():
            self._end()

    def _headers_too_large(self) -> HeadersTooLarge:
        return HeadersTooLarge(
            "the request's headers are too large; allowed are at most "
            f"{self._limit} bytes, URL included, in {MAX_HEADERS} headers"
        )

    def _stop(self, error: RequestError) -> None:
        """End the parsing from within one of the parser's callbacks."""
        self._refusal = error
        self._open_connections.closed["max_header_bytes"] += 1
        raise error

    def _refuse(self, error: RequestError) -> None:
        if self._in_head:
            self.url = b"/"
            self.headers.clear()
            self.scope[REFUSAL] = error  # type: ignore[literal-required]
            super().on_headers_complete()
        elif self.cycle is None or self.cycle.response_complete:
            self._end()
        else:
            self.cycle.scope[REFUSAL] = error  # type: ignore[literal-required]
            self.cycle.keep_alive = False
            self.cycle.message_event.set()

    def _end(self) -> None:
        self.transport.close()
        self.loop.call_later(LINGER, self.transport.abort)


def limit_clients(server: uvicorn.Server, settings: Settings) -> Connections:
    """Limit all later connections, which are returned: call it before the server listens."""
    config, connections = server.config, Connections(settings)
    config.timeout_keep_alive = math.ceil(settings.keep_alive_timeout)
    config.ws_protocol_class = None
    config.http_protocol_class = partial(  # type: ignore[assignment]
        LimitedProtocol, settings=settings, open_connections=connections
    )
    return connections
