"""A look at a server: does it answer?"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

logger = logging.getLogger("bentoml.llm.supervision")

LOOK_TIMEOUT = 5.0
LOOK_INTERVAL = 1.0
"""Seconds for which the last look holds."""
LOOK_WAIT = 0.25
"""Seconds that a caller waits for a look; one at a server that hangs goes on without him."""

Ready = Callable[[], Awaitable[bool]]


class Look:
    """`ready` tells whether the server answers; it must not raise for a broken connection."""

    def __init__(self, ready: Ready) -> None:
        self._ready = ready
        self._answers = True
        self._looked = 0.0
        self._looking: asyncio.Task[None] | None = None

    async def now(self, timeout: float = LOOK_TIMEOUT) -> bool:
        """Ask; no answer within `timeout` seconds is one too. Raises what `ready` raises."""
        await self.stop()
        self._looked = time.monotonic()
        self._answers = await self._ask(timeout)
        return self._answers

    async def lately(self) -> bool:
        """What the last look saw. Asks at most once per LOOK_INTERVAL, and waits LOOK_WAIT."""
        if self._looking is None or self._looking.done():
            if time.monotonic() - self._looked <= LOOK_INTERVAL:
                return self._answers
            self._looked = time.monotonic()
            self._looking = asyncio.create_task(self._look())
        await asyncio.wait([self._looking], timeout=LOOK_WAIT)
        return self._answers

    def forget(self) -> None:
        """Something broke off: what the last look saw no longer holds."""
        self._looked = 0.0

    async def stop(self) -> None:
        """End the look that is under way, if any."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
            self._looking = None

    async def _look(self) -> None:
        try:
            self._answers = await self._ask(LOOK_TIMEOUT)
        except Exception as error:
            logger.warning("a look at the server failed: %r", error)
            self._answers = False

    async def _ask(self, timeout: float) -> bool:
        try:
            async with asyncio.timeout(timeout):
                return await self._ready()
        except TimeoutError:
            return False
