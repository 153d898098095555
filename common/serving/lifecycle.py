"""The state of the service: loading, ready, draining, dead; and the proof that it works."""

import asyncio
import logging
import time
from collections.abc import Mapping

from common.engine import Engine, GenerateRequest, Health, Phase
from common.errors import Draining, EngineDead, NotReady, ServiceError, StartError
from common.sampling import Sampling

logger = logging.getLogger("bentoml.llm.lifecycle")

DEAD = "the engine has died; the service has to be restarted"
PROBE_TIMEOUT = 30.0
"""Seconds in which one token has to come; a busy engine is proved by its own traffic."""


class StartPhases:
    """The seconds that each phase of the start takes; `start` comes before the first named one."""

    def __init__(self, before: float = 0.0) -> None:
        """`before` are seconds that passed earlier; they count as `start` too."""
        self.current = "start"
        self._since = time.monotonic() - before
        self._done: dict[str, float] = {}
        self._finished = False

    def enter(self, name: str) -> None:
        """Start a phase; one that is entered twice adds up."""
        if name != self.current and not self._finished:
            self._close()
            self.current = name

    def finish(self) -> None:
        """End the last phase: the service is ready."""
        if not self._finished:
            self._close()
            self._finished = True

    @property
    def running(self) -> float:
        """Returns the seconds of the current phase, 0 when all are done."""
        return 0.0 if self._finished else time.monotonic() - self._since

    @property
    def seconds(self) -> Mapping[str, float]:
        """Returns the seconds by phase, in their order, of the current one so far."""
        if self._finished:
            return self._done
        return {**self._done, self.current: self._done.get(self.current, 0.0) + self.running}

    @property
    def total(self) -> float:
        return sum(self.seconds.values())

    def describe(self) -> str:
        """Returns the phases that are done: `start 1.2 s, load 8.0 s, warm-up 0.4 s`."""
        return ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self._done.items())

    def _close(self) -> None:
        now = time.monotonic()
        self._done[self.current] = self._done.get(self.current, 0.0) + now - self._since
        self._since = now


class Lifecycle:
    """Knows whether requests can be served: each one asks, and so do the health routes."""

    def __init__(self, probe_interval: float, age: float = 0.0) -> None:
        """`age` is the process's in seconds, which belong to its start."""
        self._engine: Engine | None = None
        self._probe_interval = probe_interval
        self.phases = StartPhases(age)
        self.ready = False
        """True once the start is over; `serving` says whether all has been well since."""
        self._healthy = self._probe_passed = True
        self._dead: str | None = None
        self.last_token = 0.0
        """The time of the engine's latest token, by time.perf_counter."""
        self._losses = self._losses_disproved = 0
        self._probe: asyncio.Task[None] | None = None
        self.draining = False

    async def start(self, engine: Engine) -> None:
        """Start the engine; ready when a forward pass has worked. Raises StartError."""
        try:
            await engine.start(self.enter)
            self._engine = engine
            self.enter("warm-up")
            await self._generate_one_token(engine)
        except ServiceError as error:
            raise StartError(f"{engine.title} does not generate: {error.message}") from error
        self.ready = True
        self.phases.finish()
        logger.info("ready after %.1f s: %s", self.phases.total, self.phases.describe())

    def enter(self, phase: Phase) -> None:
        """Start a phase, and log what the last one took."""
        last, seconds = self.phases.current, self.phases.running
        if phase != last:
            logger.info("phase %s (%s took %.1f s)", phase, last, seconds)
            self.phases.enter(phase)

    def mark_dead(self, reason: str) -> None:
        if self._dead is None:
            logger.error("the engine is dead: %s", reason)
            self._dead = reason

    def record_loss(self) -> None:
        """Note that a request was lost: the next check of readiness generates a new token."""
        self._losses += 1

    def check(self) -> None:
        """Raises NotReady, Draining or EngineDead when no request can be taken."""
        self._check_dead()
        if self.draining:
            raise Draining("the service is shutting down; send this request elsewhere")
        if not self.ready:
            phases = self.phases
            done = phases.describe()
            raise NotReady(
                f"the service is starting: phase {phases.current!r} for {phases.running:.0f} s"
                + (f", after {done}" if done else "")
            )

    @property
    def started(self) -> bool:
        """Returns whether the engine has started; it may have died since."""
        return self._engine is not None

    @property
    def serving(self) -> bool:
        """Returns whether a request sent now would be served, as far as was last seen."""
        accepting = self.ready and not self.draining and self._dead is None
        return accepting and self._healthy and self._probe_passed

    async def check_alive(self) -> Health | None:
        """Returns the engine's health, None before it runs. Raises EngineDead once it has died."""
        health = None
        if self._engine is not None and self._dead is None:
            health = await self._engine.health()
            self._healthy = health.ready
            if not health.alive:
                self.mark_dead(health.reason)
        self._check_dead()
        return health

    async def check_ready(self) -> None:
        """Raises the error that a request sent now would get; generates a token when idle."""
        health = await self.check_alive()
        self.check()
        if health is not None and not health.ready:
            raise NotReady(health.reason)
        assert self._engine is not None
        unsure = self._losses > self._losses_disproved
        if unsure or time.perf_counter() - self.last_token > self._probe_interval:
            await self._probe_once(self._engine)

    def _check_dead(self) -> None:
        if self._dead is not None:
            raise EngineDead(DEAD)

    async def _probe_once(self, engine: Engine) -> None:
        """Generate a token, one for all who call meanwhile. Raises ServiceError."""
        if self._probe is None or self._probe.done():
            self._probe = asyncio.create_task(self._generate_in_time(engine))
            # Its callers may have left when it fails.
            self._probe.add_done_callback(lambda probe: probe.cancelled() or probe.exception())
        probe = self._probe
        await asyncio.wait([probe])
        probe.result()

    async def _generate_in_time(self, engine: Engine) -> None:
        """Generate a token in the probe's own task, which ends even if the engine is stuck."""
        try:
            async with asyncio.timeout(PROBE_TIMEOUT):
                await self._generate_one_token(engine)
            self._probe_passed = True
        except TimeoutError:
            self._probe_passed = False
            raise NotReady(f"no token came within {PROBE_TIMEOUT:g} s of asking for one") from None
        except ServiceError:
            self._probe_passed = False
            raise

    async def _generate_one_token(self, engine: Engine) -> None:
        losses, end_ids = self._losses, engine.model.end_token_ids
        prompt = (min(end_ids, default=0),)
        # A client's request id cannot hold a slash.
        request_id = f"/probe-{time.monotonic_ns()}"
        request = GenerateRequest(request_id, prompt, Sampling(1, temperature=0.0), probe=True)
        try:
            async for _ in engine.generate(request):
                pass
        except EngineDead as error:
            self.mark_dead(error.message)
            raise
        except ServiceError as error:
            raise NotReady(f"a forward pass failed: {error.message}") from error
        self.last_token, self._losses_disproved = time.perf_counter(), losses
