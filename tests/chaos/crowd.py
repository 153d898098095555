"""The users: those of the study's load client, of whom some leave before their answer is whole."""

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

import aiohttp

from benchmarks.load.request import (
    EndpointClient,
    Sent,
    allow_connections,
    body,
    open_session,
)
from benchmarks.load.spec import DAY, Protocol, Spec
from benchmarks.load.traffic import Traffic
from benchmarks.prompts import Order, Prompt
from benchmarks.results.schema import Outcome
from tests.chaos.outcomes import End, Ledger
from tests.limits import DEADLINE

PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)
LONGEST_STAY = 0.5
"""Seconds after which a client that leaves has left."""
Answers = Mapping[tuple[Protocol, str], str]
"""The right text by protocol and by the id of the prompt."""


class MovingClient(EndpointClient):
    """Sends requests and notes their ends; of some the client leaves before the end."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        spec: Spec,
        answers: Answers,
        ledger: Ledger,
        leaving: float,
        *,
        cut: End,
    ) -> None:
        super().__init__(session, spec)
        self._protocol = spec.protocol
        self._answers = answers
        self._ledger = ledger
        self._leaving = leaving
        self._cut = cut
        self._dice = random.Random(spec.seed)

    async def send(self, sent: Sent, data: bytes) -> Sent:
        leaves = self._dice.random() < self._leaving
        try:
            async with asyncio.timeout(self._dice.uniform(0, LONGEST_STAY) if leaves else None):
                await super().send(sent, data)
        except TimeoutError:
            # Also where the head of a refusal had come.
            sent.outcome = Outcome.UNFINISHED
        expected = self._answers[self._protocol, sent.prompt]
        self._ledger.add(sent, expected, cut=self._cut)
        # What has been judged is not kept: a long run has many requests.
        sent.reader = None
        sent.stamps, sent.weights = [], []
        return sent


@dataclass
class OpenEnded(Traffic):
    """Sends until it is stopped, and keeps no request."""

    stopped_at: int | None = field(default=None, kw_only=True)

    @property
    def end(self) -> int:
        return super().end if self.stopped_at is None else self.stopped_at

    async def converse(
        self, user: int, index: int, prompt: Prompt, intended: int | None = None
    ) -> bool:
        well = await super().converse(user, index, prompt, intended)
        self.requests.clear()
        return well


class Crowd:
    """Users who ask until `stop`; each of the API's ways to stream has its part of them.

    A body of plain text tells an error by being cut off, unless its process `dies`.
    """

    def __init__(
        self,
        url: str,
        users: int,
        prompts: Sequence[Prompt],
        answers: Answers,
        leaving: float,
        *,
        dies: bool,
    ) -> None:
        self.ledger = Ledger()
        self._specs = [
            Spec(
                url=url,
                model="default",
                protocol=protocol,
                users=max(1, users // len(PROTOCOLS)),
                duration=DAY,
                ramp=0,
                timeout=DEADLINE,
                temperature=0,
                seed=number,
            )
            for number, protocol in enumerate(PROTOCOLS)
        ]
        self._prompts, self._answers, self._leaving, self._dies = prompts, answers, leaving, dies
        self._traffics: list[OpenEnded] = []

    async def run(self) -> None:
        """Returns when it was stopped and each request has ended."""
        allow_connections()
        async with open_session() as session:
            start = time.monotonic_ns()
            for spec in self._specs:
                cut = End.TOLD if spec.protocol == "generate" and not self._dies else End.LOST
                client = MovingClient(
                    session, spec, self._answers, self.ledger, self._leaving, cut=cut
                )
                order = Order(self._prompts, spec.seed)
                self._traffics.append(OpenEnded(spec, client, order, start))
            await asyncio.gather(*(traffic.run() for traffic in self._traffics))

    def stop(self) -> None:
        for traffic in self._traffics:
            traffic.stopped_at = time.monotonic_ns()


async def known_answers(url: str, prompts: Sequence[Prompt]) -> dict[tuple[Protocol, str], str]:
    """Returns the answers that the service gives while nothing else happens."""
    answers: dict[tuple[Protocol, str], str] = {}

    async def ask(session: aiohttp.ClientSession, protocol: Protocol, prompt: Prompt) -> None:
        spec = Spec(url=url, model="default", protocol=protocol, temperature=0)
        sent = Sent(0, 0, 0, prompt.id, time.monotonic_ns())
        data = body(spec, prompt.turns[:1], prompt)
        await EndpointClient(session, spec).send(sent, data)
        assert sent.error is None, sent.error
        answers[protocol, prompt.id] = sent.text

    async with open_session() as session:
        for protocol in PROTOCOLS:
            await asyncio.gather(*(ask(session, protocol, prompt) for prompt in prompts))
    return answers
