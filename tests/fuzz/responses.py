"""Responses out of the bytes of a connection, strictly."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) [ -~]*")
FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9a-z-]+):[ \t]*([\t -~\x80-\xff]*?)[ \t]*")
SIZE = re.compile(rb"[0-9a-f]+")


class Malformed(Exception):
    """The bytes are no response."""


class Unfinished(Exception):
    """There is less than a whole response so far."""


@dataclass(frozen=True)
class Response:
    """`closes` says that its connection ends with it."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    closes: bool = False


def first_response(
    data: bytes, *, ended: bool, bodiless: bool | None = None
) -> tuple[Response, bytes]:
    """Returns the first response and what follows it. Raises Malformed, Unfinished.

    `ended` says that no more comes. With `bodiless` None, a response is taken for that to a HEAD
    where its head is followed by another response, or by the end.
    """
    head, blank, rest = data.partition(b"\r\n\r\n")
    if not blank:
        if data and not b"HTTP/1.1 ".startswith(data[:9]):
            raise Malformed
        raise Unfinished
    start, *lines = head.split(b"\r\n")
    status_line = STATUS.fullmatch(start)
    fields = [FIELD.fullmatch(line.lower()) for line in lines]
    if status_line is None or not all(fields):
        raise Malformed
    status = int(status_line[1])
    headers = {each[1].decode(): each[2].decode("latin-1") for each in fields if each}
    if bodiless is None:
        bodiless = rest.startswith(b"HTTP/1.1 ") or (not rest and ended)
    if status < 200 or status == 204 or bodiless:
        body = b""
    elif headers.get("transfer-encoding") == "chunked":
        body, rest = _unchunked(rest)
    elif "content-length" in headers:
        length = int(headers["content-length"])
        if len(rest) < length:
            raise Unfinished
        body, rest = rest[:length], rest[length:]
    elif ended:
        body, rest = rest, b""
    else:
        raise Unfinished
    return Response(status, headers, body, headers.get("connection") == "close"), rest


def _unchunked(data: bytes) -> tuple[bytes, bytes]:
    """Returns a chunked body, and what follows it."""
    body = b""
    while True:
        line, end, data = data.partition(b"\r\n")
        if not end:
            raise Unfinished
        if not SIZE.fullmatch(line):
            raise Malformed
        size = int(line, 16)
        if len(data) < size + 2:
            raise Unfinished
        if data[size : size + 2] != b"\r\n":
            raise Malformed
        body += data[:size]
        data = data[size + 2 :]
        if not size:
            return body, data


def all_responses(data: bytes) -> list[Response]:
    """Returns the responses of a connection that has ended, the last of which may be cut."""
    every = []
    while data:
        try:
            response, data = first_response(data, ended=True)
        except Unfinished:
            break
        every.append(response)
    return every
