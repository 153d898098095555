"""One request: its body, the connection that it goes over, its stamps, and how it ended."""

import asyncio
import itertools
import os
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson

from benchmarks.load.spec import KEY, Spec
from benchmarks.load.stream import EventStream, StreamReader, TextStream
from benchmarks.prompts import Prompt
from benchmarks.results.schema import Outcome, Request
from common.messages import one_line

NANO = 1e-9
PATHS = {
    "generate": "/generate",
    "chat": "/v1/chat/completions",
    "completions": "/v1/completions",
}
READ_BUFFER = 2**20
"""Bytes: at aiohttp's own 64 KiB large answers wait for the reader."""
OPEN_FILES = 2**16
CONNECT_TIMEOUT = 30.0
KEEP_ALIVE = 3600.0


def body(spec: Spec, turns: Sequence[str], prompt: Prompt) -> bytes:
    """Returns the JSON of a request. `turns` are what user and model said in turn, the user last;
    the run's `max_tokens` goes before the prompt's, and its system prompt comes before that."""
    values = conversation(spec, turns, prompt.system)
    limit = spec.max_tokens or prompt.max_tokens
    given = {"model": spec.model, "max_tokens": limit, "temperature": spec.temperature}
    if spec.protocol == "generate":
        del given["model"]
    else:
        values |= {"stream": True, "stream_options": {"include_usage": True}}
    values |= {name: value for name, value in given.items() if value is not None}
    if spec.ignore_eos:
        values["ignore_eos"] = True
    return orjson.dumps(values)


def conversation(spec: Spec, turns: Sequence[str], own: str | None) -> dict[str, Any]:
    """Returns the fields with the text; `own` is the prompt's system prompt. Where there is none,
    /generate is told to use none of its own either."""
    system = spec.system_prompt
    if own is not None:
        system = f"{system}\n\n{own}" if system else own
    if spec.protocol == "generate":
        return {"prompt": turns[-1], "system_prompt": system or ""}
    if spec.protocol == "completions":
        return {"prompt": f"{system}\n\n{turns[-1]}" if system else turns[-1]}
    messages = [{"role": "system", "content": system or ""}] if system is not None else []
    for number, text in enumerate(turns):
        messages.append({"role": "assistant" if number % 2 else "user", "content": text})
    return {"messages": messages}


@dataclass(slots=True)
class Sent:
    """A request on its way. Stamps are those of time.monotonic_ns(), taken before anything is
    parsed; `weights` are how much content came with each."""

    index: int
    user: int
    turn: int
    prompt: str
    sent: int
    intended: int | None = None
    headers: int | None = None
    first_byte: int | None = None
    stamps: list[int] = field(default_factory=list)
    weights: list[int] = field(default_factory=list)
    ended: int = 0
    outcome: Outcome = Outcome.UNFINISHED
    status: int | None = None
    error: str | None = None
    reader: StreamReader | None = None

    @property
    def text(self) -> str:
        return "".join(self.reader.content.text) if self.reader is not None else ""

    def record(self, start: int, tokens: int | None = None) -> Request:
        """Returns it with times from `start` on; `tokens` were counted afterwards, where no usage
        came."""
        content = self.reader.content if self.reader is not None else None
        usage = (content.usage if content is not None else None) or {}
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
            weights=tuple(self.weights) if set(self.weights) - {1} else (),
        )


def _number(values: Any, name: str) -> int | None:
    """Returns a count that a server sent, which may be anything."""
    value = values.get(name) if isinstance(values, dict) else None
    return value if isinstance(value, int) else None


def _since(start: int, stamp: int | None) -> float | None:
    return None if stamp is None else (stamp - start) * NANO


def allow_connections() -> None:
    """Raises this process's limit of open files to what the machine allows: each connection is
    one, and a shell's usual limit of 1,024 would look like a server that refuses the others."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def open_session() -> aiohttp.ClientSession:
    """Returns a session with as many connections as are needed, kept open, which adds to a request
    nothing but the key."""
    headers = {"content-type": "application/json", "accept-encoding": "identity"}
    if key := os.environ.get(KEY):
        headers["authorization"] = f"Bearer {key}"
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT),
        headers=headers,
        read_bufsize=READ_BUFFER,
    )


class EndpointClient:
    """Sends requests to the endpoint of a run."""

    def __init__(self, session: aiohttp.ClientSession, spec: Spec) -> None:
        self._session = session
        self._url = spec.url.rstrip("/") + PATHS[spec.protocol]
        self._reader: type[StreamReader] = (
            TextStream if spec.protocol == "generate" else EventStream
        )
        self._timeout = spec.timeout

    async def send(self, sent: Sent, body: bytes) -> Sent:
        """Returns the same, with what came of it. A cancelled one stays UNFINISHED."""
        sent.reader = self._reader()
        try:
            async with asyncio.timeout(self._timeout):
                await self._exchange(sent, body)
        except aiohttp.ServerTimeoutError as error:
            sent.outcome, sent.error = Outcome.UNREACHABLE, one_line(error)
        except TimeoutError:
            sent.outcome, sent.error = Outcome.TIMEOUT, f"no end within {self._timeout:g} s"
        except aiohttp.ClientConnectorError as error:
            sent.outcome, sent.error = Outcome.UNREACHABLE, one_line(error)
        except (aiohttp.ClientError, ConnectionError) as error:
            sent.outcome = Outcome.UNREACHABLE if sent.headers is None else Outcome.CUT
            sent.error = one_line(error)
        finally:
            sent.ended = time.monotonic_ns()
        return sent

    async def _exchange(self, sent: Sent, body: bytes) -> None:
        now, reader = time.monotonic_ns, sent.reader
        stamps, weights = sent.stamps, sent.weights
        assert reader is not None
        async with self._session.post(self._url, data=body) as response:
            sent.headers, sent.status = now(), response.status
            if response.status != 200:
                sent.outcome = Outcome.HTTP_ERROR
                sent.error = one_line(
                    (await response.text(errors="replace")) or response.reason or ""
                )
                return
            async for data in response.content.iter_any():
                stamp = now()
                if sent.first_byte is None:
                    sent.first_byte = stamp
                if weight := reader.feed(data):
                    stamps.append(stamp)
                    weights.append(weight)
        reader.close()
        sent.outcome, sent.error = _outcome(reader)


def _outcome(reader: StreamReader) -> tuple[Outcome, str | None]:
    content = reader.content
    if content.error is not None:
        return Outcome.IN_BAND_ERROR, one_line(content.error)
    if not content.ended:
        return Outcome.CUT, "the stream ended without saying so"
    return Outcome.OK, None
