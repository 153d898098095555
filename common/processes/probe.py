"""Probes of a server: does it answer?"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

logger = logging.getLogger("bentoml.llm.supervision")

PROBE_TIMEOUT = 5.0
PROBE_INTERVAL = 1.0
"""Seconds for which the last probe holds."""
PROBE_WAIT = 0.25
"""Seconds that a caller waits for a probe; one that hangs goes on without the caller."""

Ready = Callable[[], Awaitable[bool]]


class ServerProbe:
    """Asks a server, at most so often, whether it answers.

    `ready` returns whether it does; it must not raise for a broken connection.
    """

    def __init__(self, ready: Ready) -> None:
        self._ready = ready
        self._answers = True
        self._probed_at = 0.0
        self._task: asyncio.Task[None] | None = None

    async def now(self, timeout: float = PROBE_TIMEOUT) -> bool:
        """Returns whether the server answers within `timeout` seconds.

        Raises what `ready` raises.
        """
        await self.stop()
        self._probed_at = time.monotonic()
        self._answers = await self._ask(timeout)
        return self._answers

    async def last_answer(self) -> bool:
        """Returns what the last probe saw; starts a new one at most every PROBE_INTERVAL seconds
        and waits PROBE_WAIT seconds for it."""
        if self._task is None or self._task.done():
            if time.monotonic() - self._probed_at <= PROBE_INTERVAL:
                return self._answers
            self._probed_at = time.monotonic()
            self._task = asyncio.create_task(self._probe())
        await asyncio.wait([self._task], timeout=PROBE_WAIT)
        return self._answers

    def forget(self) -> None:
        """Has the next question probe anew: something broke off since the last probe."""
        self._probed_at = 0.0

    async def stop(self) -> None:
        """Ends the probe that is under way, if any."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _probe(self) -> None:
        try:
            self._answers = await self._ask(PROBE_TIMEOUT)
        except Exception as error:
            logger.warning("a probe of the server failed: %r", error)
            self._answers = False

    async def _ask(self, timeout: float) -> bool:
        try:
            async with asyncio.timeout(timeout):
                return await self._ready()
        except TimeoutError:
            return False
