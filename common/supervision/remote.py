"""A server that runs elsewhere: it may go and come back, and we only look."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from common.engine import Health
from common.errors import EngineLost, ServiceError, StartError

logger = logging.getLogger("bentoml.llm.supervision")

REACH_TIMEOUT = 10.0
LOOK_INTERVAL = 1.0
"""Seconds for which the last look at the server holds."""


class RemoteServer:
    """The server at `url`. `ready` tells whether it answers; it must not raise for connections."""

    def __init__(self, name: str, url: str, ready: Callable[[], Awaitable[bool]]) -> None:
        self.name = name
        self.url = url
        self._ready = ready
        self._reachable = True
        self._looked = 0.0

    async def start(self) -> None:
        """Raises StartError when nothing answers at the address."""
        try:
            async with asyncio.timeout(REACH_TIMEOUT):
                reachable = await self._ready()
        except TimeoutError:
            reachable = False
        if not reachable:
            raise StartError(
                f"setting 'engine_url': no {self.name} answers at {self.url!r}; start it, give "
                "its address, or leave the setting out to have one started"
            )

    async def stop(self) -> None:
        """It is not ours to stop."""

    async def health(self) -> Health:
        """Asks the server, at most once per LOOK_INTERVAL."""
        now = time.monotonic()
        if now - self._looked > LOOK_INTERVAL:
            self._looked = now
            try:
                async with asyncio.timeout(REACH_TIMEOUT):
                    self._reachable = await self._ready()
            except TimeoutError:
                self._reachable = False
        if self._reachable:
            return Health(True)
        return Health(True, f"{self.name} at {self.url} does not answer", ready=False)

    def check(self) -> None:
        """A request is the best look: it is always tried."""

    async def failure(self, what: str) -> ServiceError:
        """The error of a request that broke off because of `what`."""
        logger.error("%s at %s broke a request off: %s", self.name, self.url, what)
        return EngineLost(f"{self.name} broke off this request; send it again")
