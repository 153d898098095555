"""Server-sent events out of a stream of bytes
(https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from collections.abc import AsyncGenerator, AsyncIterable

DATA, NAME = b"data:", b"event:"


class EventSplitter:
    """Puts events together out of reads, each of which may have several, or a part of one.

    `rest` is what has come of an event whose empty line has not.
    """

    __slots__ = ("rest",)

    def __init__(self) -> None:
        self.rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Returns the events that are complete by now: their lines, with plain line ends."""
        data = self.rest + data
        if b"\r" in data:
            # A return at the end may be half of a line end.
            held = b"\r" if data.endswith(b"\r") else b""
            data = data.removesuffix(b"\r").replace(b"\r\n", b"\n").replace(b"\r", b"\n") + held
        *events, self.rest = data.split(b"\n\n")
        return events


def event_data(event: bytes) -> bytes | None:
    """Returns an event's data lines, joined by line ends; None for one without any."""
    if event.startswith(DATA) and b"\n" not in event:
        return event[len(DATA) :].strip()
    lines = _field(event, DATA)
    return b"\n".join(lines) if lines else None


def event_name(event: bytes) -> bytes:
    """Returns what the event's field `event` says, b"" for one without it."""
    return next(iter(_field(event, NAME)), b"")


def _field(event: bytes, name: bytes) -> list[bytes]:
    """Returns the values of a field, each without the space that may lead it."""
    return [
        line[len(name) :].removeprefix(b" ") for line in event.split(b"\n") if line.startswith(name)
    ]


async def sse_data(pieces: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
    """Yields the data of each event that has some."""
    splitter = EventSplitter()
    async for piece in pieces:
        for event in splitter.feed(piece):
            if (data := event_data(event)) is not None:
                yield data
