"""HTTP/1.1 as uvicorn parses it, with limits on what a client may send around a body."""

from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from common.errors import HeadersTooLarge, RequestError, URITooLong
from common.http.exchange import REFUSAL

MAX_HEADERS = 128
LINGER = 1.0
"""Seconds for the client to end its side; with TLS, closing would read on for half a minute."""
URL_SHARE = 4
"""The URL may take a quarter of the bytes."""


class LimitedProtocol(HttpToolsProtocol):
    """Refuses a request whose URL, headers, trailers or chunk extensions are too large.

    httptools keeps an unfinished header without limit and copies it for each read. Where a limit
    is passed nothing more is parsed: the application answers, after the requests before this one,
    and the connection ends. The limit is uvicorn's own, which it heeds with h11 only.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limit = self.config.h11_max_incomplete_event_size or 0
        self._refusal: RequestError | None = None
        self._unfinished = 0
        """Bytes that came since the last end of a head, part of a body or end of a request."""
        self._field_bytes = 0
        self._fields = 0
        self._in_head = False

    def data_received(self, data: bytes) -> None:
        if self._refusal is not None:
            return
        self._unfinished += len(data)
        super().data_received(data)
        if self._unfinished > self._limit and self._refusal is None:
            self._refusal = self._headers_too_large()
            self._refuse(self._refusal)

    def on_message_begin(self) -> None:
        self._field_bytes = self._fields = 0
        self._in_head = True
        super().on_message_begin()

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
        self._in_head = False
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unfinished = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unfinished = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """The parser calls this when it failed, be it by an error that was raised here."""
        if self._refusal is None:
            super().send_400_response(msg)
        else:
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


def limit_heads(server: uvicorn.Server, max_header_bytes: int) -> None:
    """Limit the heads on all later connections: call it before the server listens."""
    server.config.h11_max_incomplete_event_size = max_header_bytes
    server.config.http_protocol_class = LimitedProtocol
