"""A client that has ended its own side of a connection: does it still read, or has it gone?

Both look alike until bytes are sent: who has gone answers them by a reset. An interim response
(RFC 9110, section 15.2) may be sent before the final one, and says nothing.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

INTERVAL = 0.02
"""Seconds; a client that has gone is noticed within a few of them and the way there and back."""
PROBE = b"HTTP/1.1 100 Continue\r\n\r\n"
TCP_CLOSE = 7
"""The state after a reset, the first byte of TCP_INFO (Linux, include/net/tcp_states.h)."""


def can_be_told(transport: asyncio.Transport) -> bool:
    """Returns whether the system tells resets of this connection. TLS ends both sides at once."""
    return transport.get_extra_info("sslcontext") is None and _state(transport) is not None


class HalfClosed:
    """Probes the client until a response has started, and aborts the connection at a reset."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        transport: asyncio.Transport,
        response_started: Callable[[], bool],
    ) -> None:
        self._loop = loop
        self._transport = transport
        self._response_started = response_started
        self._probed = False
        self._loop.call_later(INTERVAL, self._look)

    def _look(self) -> None:
        if self._transport.is_closing():
            return
        if _state(self._transport) == TCP_CLOSE:
            self._transport.abort()
            return
        if not self._probed and not self._response_started():
            self._probed = True
            self._transport.write(PROBE)
        self._loop.call_later(INTERVAL, self._look)


def _state(transport: asyncio.Transport) -> int | None:
    """Returns the state of a TCP connection, None where the system does not tell it."""
    connection: Any = transport.get_extra_info("socket")
    option = getattr(socket, "TCP_INFO", None)
    if connection is None or option is None or connection.family == socket.AF_UNIX:
        return None
    try:
        return int(connection.getsockopt(socket.IPPROTO_TCP, option, 1)[0])
    except OSError:
        return TCP_CLOSE
