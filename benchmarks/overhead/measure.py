"""Targets loaded in turn, round after round, each time by a fresh client process."""

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.overhead.client import Job, Wave
from benchmarks.overhead.responses import Framing
from benchmarks.overhead.servers import ROOT, Server

BUSY = 0.9
"""The share of a core above which a process is the bottleneck."""


class ClientFailed(Exception):
    """The client process itself failed: nothing was measured."""


@dataclass(frozen=True)
class Load:
    streams: int
    tokens: int
    waves: int
    rounds: int


@dataclass(frozen=True)
class Target:
    """One way to get tokens from a server; `text` is the whole answer where it is known."""

    name: str
    server: str
    path: str
    body: dict[str, Any]
    framing: Framing
    text: str | None


@dataclass(frozen=True)
class Sample:
    """The waves of one target in one round; `*_load` is in cores."""

    target: str
    round: int
    tokens_per_second: float
    cpu_per_1000: float
    server_load: float
    client_load: float
    pieces_per_stream: float
    failures: list[str]

    @property
    def void(self) -> str | None:
        """Why this says nothing about the server."""
        if self.failures:
            return f"{len(self.failures)} streams failed, the first: {self.failures[0]}"
        if self.client_load > BUSY > self.server_load:
            return f"the client was the bottleneck: {self.client_load:.0%} of a core"
        return None


def measure(
    targets: Sequence[Target],
    servers: Mapping[str, Server],
    load: Load,
    client_core: int | None,
    report: Callable[[Sample], None],
) -> list[Sample]:
    """Each round in the opposite order of the one before."""
    samples: list[Sample] = []
    for number in range(load.rounds):
        for target in targets if number % 2 == 0 else reversed(targets):
            server = servers[target.server]
            waves = _run_client(_job(target, server, load, client_core))
            samples.append(sample(target.name, number, load, waves))
            report(samples[-1])
    return samples


def sample(target: str, number: int, load: Load, waves: Iterable[Wave]) -> Sample:
    """The waves as one measurement."""
    waves = list(waves)
    seconds = sum(wave.seconds for wave in waves)
    tokens = sum(wave.tokens for wave in waves)
    server_cpu = sum(wave.server_cpu for wave in waves)
    return Sample(
        target=target,
        round=number,
        tokens_per_second=statistics.median(wave.tokens / wave.seconds for wave in waves),
        cpu_per_1000=1000 * server_cpu / tokens if tokens else 0.0,
        server_load=server_cpu / seconds,
        client_load=sum(wave.client_cpu for wave in waves) / seconds,
        pieces_per_stream=sum(wave.pieces for wave in waves) / (load.streams * len(waves)),
        failures=[failure for wave in waves for failure in wave.failures],
    )


def _job(target: Target, server: Server, load: Load, core: int | None) -> Job:
    return Job(
        port=server.port,
        path=target.path,
        body=target.body,
        framing=target.framing,
        tokens=load.tokens,
        text=target.text,
        streams=load.streams,
        waves=load.waves,
        server_pid=server.http_process().pid,
        core=core,
    )


def _run_client(job: Job) -> list[Wave]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.overhead.client"],
        cwd=ROOT,
        input=json.dumps(asdict(job)),
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise ClientFailed(done.stderr[-2000:])
    return [Wave(**wave) for wave in json.loads(done.stdout)]
