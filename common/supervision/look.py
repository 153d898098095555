"""A look at a server: does it answer?"""

import asyncio
import time
from collections.abc import Awaitable, Callable

LOOK_TIMEOUT = 5.0
LOOK_INTERVAL = 1.0
"""Seconds for which the last look holds."""

Ready = Callable[[], Awaitable[bool]]


class Look:
    """`ready` tells whether the server answers; it must not raise for a broken connection."""

    def __init__(self, ready: Ready) -> None:
        self._ready = ready
        self._answers = True
        self._looked = 0.0

    async def now(self, timeout: float = LOOK_TIMEOUT) -> bool:
        """Ask; no answer within `timeout` seconds is one too."""
        self._looked = time.monotonic()
        try:
            async with asyncio.timeout(timeout):
                self._answers = await self._ready()
        except TimeoutError:
            self._answers = False
        return self._answers

    async def lately(self) -> bool:
        """Ask at most once per LOOK_INTERVAL, whoever wants to know."""
        if time.monotonic() - self._looked > LOOK_INTERVAL:
            return await self.now()
        return self._answers
