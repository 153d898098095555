"""Server-sent events out of a stream of bytes."""

from collections.abc import AsyncGenerator, AsyncIterable

DATA = b"data:"


async def sse_data(pieces: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
    """Yields the data of each event. Events are separated by an empty line; comments and other
    fields are skipped (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""
    rest = b""
    data: list[bytes] = []
    async for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            line = line.rstrip(b"\r")
            if line.startswith(DATA):
                data.append(line[len(DATA) :].lstrip(b" "))
            elif not line and data:
                yield data[0] if len(data) == 1 else b"\n".join(data)
                data.clear()
