"""One request: sent, stamped as it is answered, and judged."""

import asyncio
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from benchmarks.load.readers import Events, Raw, Reader
from benchmarks.results.schema import Outcome, Request

NANO = 1e-9
SHOWN = 300
"""Characters of an error's text."""


@dataclass(slots=True)
class Sent:
    """Stamps are those of time.monotonic_ns(), taken before anything is parsed."""

    index: int
    user: int
    turn: int
    prompt: str
    sent: int
    intended: int | None = None
    headers: int | None = None
    first_byte: int | None = None
    stamps: list[int] = field(default_factory=list)
    pieces: int = 0
    ended: int = 0
    outcome: Outcome = Outcome.UNFINISHED
    status: int | None = None
    error: str | None = None
    reader: Reader | None = None

    @property
    def text(self) -> str:
        return "".join(self.reader.heard.text) if self.reader is not None else ""

    def record(self, start: int, tokens: int | None = None) -> Request:
        """With times from `start` on; `tokens` counted afterwards where no usage came."""
        heard = self.reader.heard if self.reader is not None else None
        usage = (heard.usage if heard is not None else None) or {}
        counted = _number(usage, "completion_tokens")
        details = usage.get("prompt_tokens_details")
        stamps = self.stamps
        return Request(
            index=self.index,
            user=self.user,
            turn=self.turn,
            prompt=self.prompt,
            intended=_since(start, self.intended),
            sent=(self.sent - start) * NANO,
            headers=_since(start, self.headers),
            first_byte=_since(start, self.first_byte),
            first_token=_since(start, stamps[0] if stamps else None),
            last_token=_since(start, stamps[-1] if stamps else None),
            ended=(self.ended - start) * NANO,
            outcome=self.outcome,
            status=self.status,
            error=self.error,
            prompt_tokens=_number(usage, "prompt_tokens"),
            output_tokens=counted if counted is not None else tokens,
            cached_tokens=_number(details, "cached_tokens"),
            tokens_from="usage" if counted is not None else None if tokens is None else "tokenizer",
            chunks=len(stamps),
            gaps=tuple((b - a) * NANO for a, b in itertools.pairwise(stamps)),
        )


def _number(values: Any, name: str) -> int | None:
    """What a server says may be anything."""
    found = values.get(name) if isinstance(values, dict) else None
    return found if isinstance(found, int) else None


def _since(start: int, stamp: int | None) -> float | None:
    return None if stamp is None else (stamp - start) * NANO


class Endpoint:
    """Where requests go; `session` keeps the connections."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, *, raw: bool, timeout: float
    ) -> None:
        self._session = session
        self._url = url
        self._reader: type[Raw] | type[Events] = Raw if raw else Events
        self._timeout = timeout

    async def send(self, sent: Sent, body: bytes) -> Sent:
        """The same, with what came of it. A cancelled one stays UNFINISHED."""
        sent.reader = self._reader()
        try:
            async with asyncio.timeout(self._timeout):
                await self._exchange(sent, body)
        except aiohttp.ServerTimeoutError as error:
            sent.outcome, sent.error = Outcome.UNREACHABLE, _short(str(error))
        except TimeoutError:
            sent.outcome, sent.error = Outcome.TIMEOUT, f"no end within {self._timeout:g} s"
        except aiohttp.ClientConnectorError as error:
            sent.outcome, sent.error = Outcome.UNREACHABLE, _short(str(error))
        except (aiohttp.ClientError, ConnectionError) as error:
            sent.outcome = Outcome.UNREACHABLE if sent.headers is None else Outcome.CUT
            sent.error = _short(str(error) or type(error).__name__)
        finally:
            sent.ended = time.monotonic_ns()
        return sent

    async def _exchange(self, sent: Sent, body: bytes) -> None:
        now, reader, stamps = time.monotonic_ns, sent.reader, sent.stamps
        assert reader is not None
        async with self._session.post(self._url, data=body) as response:
            sent.headers, sent.status = now(), response.status
            if response.status != 200:
                sent.outcome = Outcome.HTTP_ERROR
                sent.error = _short(
                    (await response.text(errors="replace")) or response.reason or ""
                )
                return
            async for data in response.content.iter_any():
                stamp = now()
                if sent.first_byte is None:
                    sent.first_byte = stamp
                pieces = reader.feed(data)
                if pieces:
                    stamps.append(stamp)
                    sent.pieces += pieces
        reader.close()
        sent.outcome, sent.error = _judged(reader)


def _judged(reader: Reader) -> tuple[Outcome, str | None]:
    heard = reader.heard
    if heard.error is not None:
        return Outcome.IN_BAND_ERROR, _short(heard.error)
    if not heard.ended:
        return Outcome.CUT, "the stream ended without saying so"
    return Outcome.OK, None


def _short(text: str) -> str:
    return " ".join(text.split())[:SHOWN]


def failures(sent: Sequence[Sent]) -> int:
    return sum(one.outcome not in (Outcome.OK, Outcome.UNFINISHED) for one in sent)
