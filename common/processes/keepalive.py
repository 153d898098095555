"""Connections whose other end may vanish without a word: a host that is gone, a cut network."""

import socket
from typing import Any

IDLE, INTERVAL, TRIES = 30, 10, 3
"""Seconds of silence before the first probe, between probes, and how many go unanswered."""


def keepalive_socket(address: tuple[Any, ...]) -> socket.socket:
    """Returns a socket on which TCP asks whether the other end lives, for aiohttp's
    `TCPConnector(socket_factory=...)`.

    A generation may be silent for long, so no time limit on reading can tell the two apart.
    """
    connection = socket.socket(*address[:3])
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", IDLE),
        ("TCP_KEEPINTVL", INTERVAL),
        ("TCP_KEEPCNT", TRIES),
    ):
        if hasattr(socket, name):  # macOS has no TCP_KEEPIDLE
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return connection
