"""What bodies may hold while they are read: bytes of all of them, and values of each."""

import asyncio
from collections.abc import Awaitable, Callable

from common.errors import Overloaded, RequestTooLarge
from common.settings import Settings

SMALL = 64 * 2**10
"""Bytes of a body that are always taken: as many as the HTTP server itself reads ahead."""


class JSONSize:
    """Counts the values and objects of a JSON text while it comes, without those in strings."""

    __slots__ = ("_in_string", "_rest", "objects", "values")

    def __init__(self) -> None:
        self._in_string = 0
        self._rest = b""
        self.values = self.objects = 0

    def add(self, part: bytes) -> None:
        text = (self._rest + part).replace(rb"\\", b"")
        self._rest = text[-1:] if text.endswith(b"\\") else b""
        pieces = text[: len(text) - len(self._rest)].replace(rb"\"", b"").split(b'"')
        outside = b"".join(pieces[self._in_string :: 2])
        self._in_string ^= (len(pieces) - 1) % 2
        self.objects += outside.count(b"{")
        self.values += outside.count(b",") + outside.count(b"[") + outside.count(b"{")


class Bodies:
    """The bodies that are being read. Where all have too many bytes, the oldest gives way, so that
    those that come slowly do not keep others out."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._sizes: dict[asyncio.Timeout, int] = {}
        self._bytes = 0

    async def read(self, receive_part: Callable[[], Awaitable[bytes | None]]) -> bytes:
        """Returns a body. `receive_part` returns its next part, None at the end.

        Raises RequestTooLarge, Overloaded.
        """
        parts: list[bytes] = []
        size, json_size = 0, JSONSize()
        turn = asyncio.timeout(None)
        try:
            async with turn:
                while (part := await receive_part()) is not None:
                    size += len(part)
                    self._check(size, json_size, part)
                    parts.append(part)
                    if size > SMALL:
                        self._hold(turn, size)
        except TimeoutError:
            raise Overloaded(
                "larger bodies than fit at once are being sent, and this one came slowly; allowed "
                f"are {self.settings.max_bodies_bytes} bytes in all"
            ) from None
        finally:
            self._bytes -= self._sizes.pop(turn, 0)
        return b"".join(parts)

    def _check(self, size: int, json_size: JSONSize, part: bytes) -> None:
        settings = self.settings
        if size > settings.max_body_bytes:
            raise too_large(settings.max_body_bytes)
        json_size.add(part)
        for count, most, name in (
            (json_size.values, settings.max_body_values, "values"),
            (json_size.objects, settings.max_body_objects, "objects"),
        ):
            if count > most:
                raise RequestTooLarge(f"the body has too many {name}; allowed are at most {most}")

    def _hold(self, turn: asyncio.Timeout, size: int) -> None:
        """Note the bytes of a body, and let others give way for them."""
        self._bytes += size - self._sizes.get(turn, 0)
        self._sizes[turn] = size
        while self._bytes > self.settings.max_bodies_bytes:
            oldest = next(iter(self._sizes))
            self._bytes -= self._sizes.pop(oldest)
            oldest.reschedule(asyncio.get_running_loop().time())
            if oldest is turn:
                return


def too_large(limit: int) -> RequestTooLarge:
    return RequestTooLarge(f"the request body is too large; allowed are at most {limit} bytes")
