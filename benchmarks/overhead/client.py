"""The load: so many streams at once, from a process of its own.

Reads a Job as JSON on standard input and writes the waves as JSON. While a wave runs it only
keeps what arrives, at the least cost; counting comes after the last stamp.
"""

import asyncio
import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

import psutil
import uvloop

from benchmarks.overhead.responses import BadResponse, Expected, Framing, count_pieces

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Job:
    """`waves` are counted, one more before them is not. `core` pins the client."""

    port: int
    path: str
    body: dict[str, Any]
    framing: Framing
    tokens: int
    text: str | None
    streams: int
    waves: int
    server_pid: int
    core: int | None = None
    deadline: float = 300.0

    def request(self) -> bytes:
        """The server closes the connection after the answer: an end that needs no parsing."""
        body = json.dumps(self.body).encode()
        head = (
            f"POST {self.path} HTTP/1.1\r\nhost: {HOST}:{self.port}\r\n"
            "content-type: application/json\r\nconnection: close\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


@dataclass(frozen=True)
class Wave:
    """`tokens` and `pieces` are of the whole answers only; CPU times are of one process each."""

    seconds: float
    client_cpu: float
    server_cpu: float
    tokens: int
    pieces: int
    failures: list[str]


class Recorder(asyncio.Protocol):
    """Keeps the bytes of one connection until it is closed."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.closed = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self.parts.append(data)

    def connection_lost(self, error: Exception | None) -> None:
        self.closed.set()


async def run(job: Job) -> list[Wave]:
    server = psutil.Process(job.server_pid)
    await _wave(job, server)
    return [await _wave(job, server) for _ in range(job.waves)]


async def _wave(job: Job, server: psutil.Process) -> Wave:
    """From the first request sent to the last answer's end; connections are open before."""
    loop = asyncio.get_running_loop()
    request = job.request()
    connections = [
        await loop.create_connection(Recorder, HOST, job.port) for _ in range(job.streams)
    ]
    server_begun = _cpu(server)
    client_begun, begun = time.process_time(), time.perf_counter()
    for transport, _ in connections:
        transport.write(request)
    try:
        async with asyncio.timeout(job.deadline):
            for _, recorder in connections:
                await recorder.closed.wait()
    except TimeoutError:
        for transport, _ in connections:
            transport.abort()
    seconds, client_cpu = time.perf_counter() - begun, time.process_time() - client_begun
    server_cpu = _cpu(server) - server_begun
    return _count(job, [r for _, r in connections], seconds, client_cpu, server_cpu)


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _count(
    job: Job, recorders: list[Recorder], seconds: float, client_cpu: float, server_cpu: float
) -> Wave:
    expected = Expected(job.tokens, job.text)
    pieces: list[int] = []
    failures: list[str] = []
    for recorder in recorders:
        try:
            pieces.append(count_pieces(b"".join(recorder.parts), job.framing, expected))
        except BadResponse as error:
            failures.append(str(error))
    tokens = job.tokens * len(pieces)
    return Wave(seconds, client_cpu, server_cpu, tokens, sum(pieces), failures)


def main() -> None:
    job = Job(**json.load(sys.stdin))
    if job.core is not None:
        os.sched_setaffinity(0, {job.core})
    json.dump([asdict(wave) for wave in uvloop.run(run(job))], sys.stdout)


if __name__ == "__main__":
    main()
