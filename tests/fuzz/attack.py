"""Many connections that send inputs, and look at what comes back."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.fuzz.checks import faults_of, too_many
from tests.fuzz.requests import Input, Requests, framed
from tests.fuzz.responses import Malformed, Response, Unfinished, all_responses, first_response
from tests.fuzz.wire import wire

WIRE_SHARE = 0.25
CANARY_EVERY = 50
"""Inputs of a connection between two right requests, whose answer is known."""
CANARIES = {
    "generate": (
        "/generate",
        b'{"prompt": "What is the capital of France?", "max_tokens": 8, "temperature": 0}',
    ),
    "embed": ("/v1/embeddings", b'{"input": "What is the capital of France?"}'),
}
"""Right requests of which the answer is the same each time, by the task of the service."""
PIECE = 2**16


@dataclass(frozen=True)
class Options:
    url: str
    seed: int
    connections: int
    deadline: float
    """Seconds in which each input has to be answered."""
    key: str | None = None
    task: str = "generate"
    """What the service's model is for."""


@dataclass
class Report:
    """`faults` are pairs of what is wrong and the input; `codes` counts the answers by status."""

    inputs: int = 0
    answers: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    faults: list[tuple[str, Input]] = field(default_factory=list)

    def add(self, other: "Report") -> None:
        self.inputs += other.inputs
        self.answers += other.answers
        self.codes += other.codes
        self.faults += other.faults


class Attack:
    """One process's part of a run."""

    def __init__(self, options: Options, document: Mapping[str, Any]) -> None:
        self.options = options
        self.report = Report()
        self._requests = Requests(document, options.key)
        address = urlsplit(options.url)
        self._host, self._port = address.hostname or "127.0.0.1", address.port or 80

    def input(self, index: int) -> Input:
        """Returns the same input for the same seed and index, whatever was sent before."""
        rng = random.Random(f"{self.options.seed} {index}")
        if rng.random() < WIRE_SHARE:
            return wire(rng, index)
        return self._requests.request(rng, index)

    async def run(self, indices: Iterator[int]) -> Report:
        canary = await self._canary_answer()
        async with asyncio.TaskGroup() as group:
            for _ in range(self.options.connections):
                group.create_task(self._work(indices, canary))
        return self.report

    async def _work(self, indices: Iterator[int], canary: bytes) -> None:
        connection = Connection(self._host, self._port)
        for count, index in enumerate(indices):
            sent = self.input(index)
            self.report.inputs += 1
            try:
                async with asyncio.timeout(self.options.deadline):
                    if sent.whole:
                        self._check(sent, [await connection.ask(sent)])
                    else:
                        await self._send_raw(sent)
            except TimeoutError:
                self._fault("no answer in time", sent)
                connection.close()
            except Malformed:
                self._fault("no HTTP response", sent)
                connection.close()
            except (OSError, Unfinished) as error:
                self._fault(f"the connection ended early: {error!r}", sent)
                connection.close()
            if count % CANARY_EVERY == 0 and await self._asked_rightly(connection) != canary:
                self._fault("another answer than before to a right request", sent)
        connection.close()

    async def _send_raw(self, sent: Input) -> None:
        """Send an input on a connection of its own, and read until the service ends it."""
        connection = Connection(self._host, self._port)
        try:
            received = await connection.exchange(sent.pieces)
        finally:
            connection.close()
        responses = all_responses(received)
        self._check(sent, responses)
        for fault in too_many(responses, sent.data):
            self._fault(fault, sent)

    def _check(self, sent: Input, responses: list[Response]) -> None:
        for response in responses:
            self.report.answers += 1
            self.report.codes[str(response.status)] += 1
            for fault in faults_of(response, sent):
                self._fault(f"{fault}: {response.body[:300]!r}", sent)

    def _fault(self, what: str, sent: Input) -> None:
        self.report.faults.append((what, sent))

    async def _canary_answer(self) -> bytes:
        connection = Connection(self._host, self._port)
        try:
            return await self._asked_rightly(connection)
        finally:
            connection.close()

    async def _asked_rightly(self, connection: "Connection") -> bytes:
        """Returns the status and the body of the answer to a right request, or why none came."""
        path, body = CANARIES[self.options.task]
        headers = [("content-type", "application/json")]
        if self.options.key is not None:
            headers.append(("authorization", f"Bearer {self.options.key}"))
        head = framed("POST", path, headers, len(body))
        try:
            async with asyncio.timeout(self.options.deadline):
                answer = await connection.ask(Input(-1, (head + body,), "POST", whole=True))
        except (OSError, TimeoutError, Malformed, Unfinished) as error:
            connection.close()
            return repr(error).encode()
        return b"%d " % answer.status + answer.body


class Connection:
    """A connection that is opened when it is needed, and again where the service has closed it."""

    def __init__(self, host: str, port: int) -> None:
        self._address = host, port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, sent: Input) -> Response:
        """Returns the response to one request. Raises OSError, Malformed, Unfinished."""
        reader, writer = await self._open()
        writer.write(sent.data)
        received, ended = b"", False
        while True:
            with suppress(Unfinished):
                response, received = first_response(
                    received, ended=ended, bodiless=sent.method == "HEAD"
                )
                if response.status >= 200:
                    break
                continue
            if ended:
                raise Unfinished(f"after {len(received)} bytes")
            part = await reader.read(PIECE)
            received, ended = received + part, not part
        if received:
            raise Malformed
        if response.closes:
            self.close()
        return response

    async def exchange(self, pieces: tuple[bytes, ...]) -> bytes:
        """Send the pieces, end this side, and return what comes until the other side ends, too."""
        reader, writer = await self._open()
        received = b""
        with suppress(OSError):
            for piece in pieces:
                writer.write(piece)
                await asyncio.sleep(0)
            await writer.drain()
            writer.write_eof()
            while part := await reader.read(PIECE):
                received += part
        return received

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None or self._streams[0].at_eof():
            self._streams = await asyncio.open_connection(*self._address)
        return self._streams

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
