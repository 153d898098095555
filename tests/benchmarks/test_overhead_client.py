"""The client counts exactly what a server sent, and calls nothing else a success."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from benchmarks.overhead.client import Job, Wave, run
from benchmarks.overhead.responses import Framing

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
END = b"0\r\n\r\n"
SPLIT_INSIDE_EVERY_CHARACTER = 1
TEXT = ["Grüße", ", ", "世界", " 🙂"]


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _event(value: dict[str, Any]) -> bytes:
    return _chunk(b"data: " + json.dumps(value).encode() + b"\n\n")


def _events(pieces: Sequence[str], *, tokens: int) -> bytes:
    choices = [{"delta": {"role": "assistant", "content": ""}}]
    choices += [{"delta": {"content": piece}} for piece in pieces]
    events = [_event({"choices": [choice]}) for choice in [*choices, {"delta": {}}]]
    events.append(_event({"choices": [], "usage": {"completion_tokens": tokens}}))
    return b"".join(events)


DONE = _chunk(b"data: [DONE]\n\n")


async def _run(answer: Answer, **values: Any) -> Wave:
    """One counted wave of two streams against `answer`."""
    handlers: list[asyncio.Task[None]] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await answer(reader, writer)
        finally:
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handlers.append(asyncio.create_task(handle(reader, writer)))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        fixed: dict[str, Any] = {"path": "/generate", "body": {}, "streams": 2, "waves": 1}
        (wave,) = await run(Job(port=port, server_pid=os.getpid(), **fixed, **values))
        await asyncio.gather(*handlers)
    return wave


async def _load(response: bytes, framing: Framing, *, tokens: int, step: int = 4096) -> Wave:
    """Against a server that sends `response` in writes of `step` bytes."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for begin in range(0, len(response), step):
            writer.write(response[begin : begin + step])
            await writer.drain()
            await asyncio.sleep(0)

    return await _run(answer, framing=framing, tokens=tokens, text="".join(TEXT))


async def test_text_is_counted_piece_by_piece_however_it_is_read() -> None:
    response = HEAD + b"".join(_chunk(piece.encode()) for piece in TEXT) + END
    for step in (SPLIT_INSIDE_EVERY_CHARACTER, 7, 4096):
        wave = await _load(response, "text", tokens=9, step=step)
        assert wave.failures == []
        assert (wave.pieces, wave.tokens) == (2 * len(TEXT), 18)


async def test_events_are_counted_by_content_and_tokens_by_the_servers_usage() -> None:
    response = HEAD + _events(TEXT, tokens=9) + DONE + END
    for step in (SPLIT_INSIDE_EVERY_CHARACTER, 4096):
        wave = await _load(response, "events", tokens=9, step=step)
        assert wave.failures == []
        assert (wave.pieces, wave.tokens) == (2 * len(TEXT), 18)


async def test_times_are_of_the_wave_only() -> None:
    response = HEAD + b"".join(_chunk(piece.encode()) for piece in TEXT) + END
    wave = await _load(response, "text", tokens=4)
    assert 0 < wave.seconds < 3
    assert 0 < wave.client_cpu < 3


async def _failure(response: bytes, framing: Framing) -> str:
    wave = await _load(response, framing, tokens=9)
    assert (wave.pieces, wave.tokens) == (0, 0)
    assert len(wave.failures) == 2
    return wave.failures[0]


async def test_an_error_event_is_a_failure() -> None:
    error = _event({"error": {"message": "the engine has died"}})
    assert "has died" in await _failure(HEAD + _events(TEXT, tokens=9) + error + END, "events")


async def test_a_cut_stream_is_a_failure() -> None:
    text = HEAD + b"".join(_chunk(piece.encode()) for piece in TEXT)
    assert "cut after 4 chunks" in await _failure(text, "text")
    assert "cut after 3 chunks" in await _failure(text[:-3], "text")
    assert "headers" in await _failure(HEAD[:20], "text")
    assert "[DONE]" in await _failure(HEAD + _events(TEXT, tokens=9) + END, "events")


async def test_a_dropped_piece_is_a_failure() -> None:
    short = HEAD + b"".join(_chunk(piece.encode()) for piece in TEXT[1:]) + END
    assert "expected text" in await _failure(short, "text")
    assert "expected text" in await _failure(
        HEAD + _events(TEXT[1:], tokens=9) + DONE + END, "events"
    )


async def test_another_number_of_tokens_is_a_failure() -> None:
    response = HEAD + _events(TEXT, tokens=8) + DONE + END
    assert "8 tokens" in await _failure(response, "events")


async def test_a_refusal_is_a_failure() -> None:
    response = b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 4\r\n\r\nbusy"
    assert "status 429: busy" in await _failure(response, "text")


async def test_a_stream_that_never_ends_is_a_failure() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.gather(reader.read(), return_exceptions=True)

    wave = await _run(silent, framing="text", tokens=1, text=None, deadline=0.2)
    assert wave.failures == ["cut before the end of the headers"] * 2
