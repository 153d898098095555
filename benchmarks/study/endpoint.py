"""What an endpoint says about itself."""

import asyncio
import time
from contextlib import suppress
from typing import Any

import aiohttp

from benchmarks.results.schema import Subject
from benchmarks.study.cell import StudyCell
from benchmarks.study.service import ServiceFailed, settings
from benchmarks.study.spec import StudyModel

TIMEOUT = 30.0
"""Seconds in which one that runs already has to answer."""
INTERVAL = 0.5


async def wait_for(url: str, seconds: float, key: str | None) -> None:
    """Returns when an endpoint that somebody else started answers. Raises ServiceFailed.

    /readyz decides where there is one; others are taken to be ready when they answer at all.
    """
    seconds = min(seconds, TIMEOUT)
    deadline = time.monotonic() + seconds
    async with _session(key) as session:
        while (reason := await _not_ready(session, url)) is not None:
            if time.monotonic() > deadline:
                raise ServiceFailed(f"{url} was not ready within {seconds:g} s: {reason}")
            await asyncio.sleep(INTERVAL)


async def card(url: str, model: StudyModel, key: str | None) -> dict[str, Any]:
    """Returns what /v1/models says of `model`; empty where it says nothing.

    The demo model, which a study has when it names none, is whatever is there.
    """
    entries: list[dict[str, Any]] = []
    async with _session(key) as session:
        with suppress(aiohttp.ClientError, TimeoutError, ValueError, LookupError, TypeError):
            async with session.get(f"{url}/v1/models") as response:
                entries = [*map(dict, (await response.json(content_type=None))["data"])]
    named = [entry for entry in entries if entry.get("id") in (model.source, model.name)]
    if model.source is None:
        named = named or entries
    return named[0] if named else {}


def subject(cell: StudyCell, url: str, card: dict[str, Any], runs_before: int | None) -> Subject:
    """Returns what the result of `cell` says that it measured; `card` is the endpoint's."""

    def text(name: str) -> str | None:
        return str(card[name]) if card.get(name) is not None else None

    return Subject(
        backend=cell.target.name,
        series=cell.target.series,
        backend_version=text("backend_version"),
        engine=text("backend"),
        model=cell.model.name,
        quantization=text("quantization") or cell.quantization,
        url=url,
        settings=settings(cell),
        repeat=cell.repeat,
        runs_before=runs_before,
    )


async def _not_ready(session: aiohttp.ClientSession, url: str) -> str | None:
    """Returns why it is not, or None."""
    try:
        async with session.get(f"{url}/readyz") as response:
            if response.status in (404, 405) or response.status < 400:
                return None
            return f"/readyz answers {response.status}"
    except (aiohttp.ClientError, TimeoutError) as error:
        return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _session(key: str | None) -> aiohttp.ClientSession:
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(TIMEOUT), headers=headers)
