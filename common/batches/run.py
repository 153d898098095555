"""Sends the lines of a batch, a few at a time, and hands on their answers in the lines' order."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator

import httpx

from common.batches.answers import Answer, answer_to
from common.batches.lines import Line
from common.messages import one_line

RETRIED = (429, 502, 503)
"""Statuses of a service that may take the same request later."""
PAUSE = 2.0
"""Seconds before another attempt, where the service names none."""
LONGEST_PAUSE = 60.0
AHEAD = 4
"""Lines that may be begun or answered before an earlier one, for each that is sent at once."""


class Unreachable(Exception):
    """The service has not answered for too long."""


class Run:
    """Runs lines over an HTTP API. `places` limits how many are sent at once, of several runs, too.

    Refused for want of room, a line is sent again after what Retry-After says. If nothing was
    answered for `patience` seconds, Unreachable is raised; None waits for ever.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        places: asyncio.Semaphore,
        ahead: int,
        patience: float | None = None,
    ) -> None:
        self._client = client
        self._places = places
        self._ahead = ahead
        self._patience = patience
        self._answered = time.monotonic()

    async def run(self, lines: Iterator[Line], write: Callable[[Answer], None]) -> None:
        """Call `write` with the answer of each line, in their order."""
        begun: deque[asyncio.Task[Answer]] = deque()
        try:
            for line in lines:
                begun.append(asyncio.create_task(self._ask(line)))
                while len(begun) >= self._ahead or (begun and begun[0].done()):
                    write(await begun[0])
                    begun.popleft()
            while begun:
                write(await begun[0])
                begun.popleft()
        finally:
            for task in begun:
                task.cancel()
            await asyncio.gather(*begun, return_exceptions=True)

    async def _ask(self, line: Line) -> Answer:
        while True:
            problem, pause = "", PAUSE
            try:
                async with self._places:
                    response = await self._client.post(line.url, json=line.body)
            except httpx.TransportError as error:
                problem = one_line(error)
            else:
                if response.status_code not in RETRIED:
                    self._answered = time.monotonic()
                    return _answer_of(line, response)
                problem, pause = f"status {response.status_code}", _pause(response)
                if response.status_code == 429:
                    self._answered = time.monotonic()
            silent = time.monotonic() - self._answered
            if self._patience is not None and silent > self._patience:
                raise Unreachable(f"no answer for {silent:.0f} s: {problem}")
            await asyncio.sleep(pause)


def _pause(response: httpx.Response) -> float:
    try:
        return min(LONGEST_PAUSE, max(0.0, float(response.headers.get("retry-after", PAUSE))))
    except ValueError:
        return PAUSE


def _answer_of(line: Line, response: httpx.Response) -> Answer:
    value = answer_to(line)
    try:
        body = response.json()
    except ValueError:
        message = f"status {response.status_code} without JSON"
        return {**value, "response": None, "error": {"code": "no_json", "message": message}}
    answer = {
        "status_code": response.status_code,
        "request_id": response.headers.get("x-request-id", ""),
        "body": body,
    }
    return {**value, "response": answer, "error": None}
