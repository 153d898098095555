"""The state of the service: loading, ready, stalled, draining, dead; and proof that it works."""

import asyncio
import logging
import time
from contextlib import aclosing, suppress

from common.engine import EmbedRequest, Engine, GenerateRequest, Health, Phase
from common.errors import (
    Draining,
    EngineDead,
    EngineStalled,
    NotReady,
    ServiceError,
    StartError,
)
from common.sampling import Sampling
from common.serving.generations import Generations
from common.serving.start_phases import StartPhases
from common.serving.watchdog import Watchdog
from common.settings import Settings

logger = logging.getLogger("bentoml.llm.lifecycle")

DEAD = "the engine has died; the service has to be restarted"
STALLED = "the engine gives no tokens any more; it may come back"
PROBE_TIMEOUT = 30.0
"""Seconds in which one token has to come; a busy engine is proved by its own traffic."""
HEALTH_TIMEOUT = 10.0
"""Seconds in which an engine has to tell its health."""
ANSWER_WAIT = 0.4
"""Seconds that a health route waits for news; then it answers with what was last seen."""
LOOK_INTERVAL = 0.5
"""Seconds between two looks at the engine."""


class Lifecycle:
    """Knows whether requests can be served: each one asks, and so do the health routes."""

    def __init__(self, settings: Settings, age: float = 0.0) -> None:
        """`age` is the process's in seconds, which belong to its start."""
        self._engine: Engine | None = None
        self._probe_interval = settings.probe_interval
        self.watchdog = Watchdog(settings.stall_timeout, settings.stall_grace)
        self.phases = StartPhases(age)
        self.ready = False
        """True once the start is over; `serving` says whether all has been well since."""
        self._health = Health(True)
        self._asking: asyncio.Task[None] | None = None
        self._dead: str | None = None
        self._losses = self._losses_disproved = 0
        self._probe: asyncio.Task[None] | None = None
        self._probe_failure = ""
        self._probe_failed_at = 0.0
        self.draining = False

    async def start(self, engine: Engine) -> None:
        """Start the engine; ready when a forward pass has worked. Raises StartError."""
        try:
            await engine.start(self.enter)
            self._engine = engine
            self.enter("warm-up")
            await self._run_one_token(engine)
        except ServiceError as error:
            raise StartError(f"{engine.title} does not generate: {error.message}") from error
        self.ready = True
        self.phases.finish()
        logger.info("ready after %.1f s: %s", self.phases.total, self.phases.describe())

    async def watch(self, generations: Generations) -> str:
        """Look after the engine, which has started, until it has died. Returns why it has."""
        while self._dead is None:
            await asyncio.sleep(LOOK_INTERVAL)
            self.look(time.perf_counter(), generations)
            with suppress(EngineDead):
                await self.check_alive()
        generations.end_all(EngineDead(DEAD))
        return self._dead

    def look(self, now: float, generations: Generations) -> None:
        """End all generations when the engine stalls, and try it until it comes back or is dead."""
        was_stalled = self.watchdog.stalled
        self.watchdog.look(now)
        if self.watchdog.hopeless:
            self.mark_dead("it gave no tokens, and did not come back")
        elif self.watchdog.stalled:
            if not was_stalled:
                logger.error("the engine has stalled: no token within %g s", self.watchdog.patience)
                generations.end_all(EngineStalled(STALLED))
            self._start_probe()
        elif was_stalled:
            logger.warning("the engine gives tokens again")

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
        """Raises NotReady, Draining, EngineStalled or EngineDead when no request can be taken."""
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
        if self.watchdog.stalled:
            raise EngineStalled(STALLED)

    @property
    def started(self) -> bool:
        """Returns whether the engine has started; it may have died since."""
        return self._engine is not None

    @property
    def serving(self) -> bool:
        """Returns whether a request sent now would be served, as far as was last seen."""
        accepting = self.ready and not self.draining and self._dead is None
        well = self._health.ready and not self._is_failed
        return accepting and well and not self.watchdog.stalled

    async def check_alive(self) -> Health | None:
        """Returns the engine's health, None before it runs. Raises EngineDead once it has died."""
        if self._engine is None:
            self._check_dead()
            return None
        if self._dead is None:
            if self._asking is None or self._asking.done():
                self._asking = asyncio.create_task(self._ask_health(self._engine))
            await asyncio.wait([self._asking], timeout=ANSWER_WAIT)
        self._check_dead()
        return self._health

    async def check_ready(self) -> None:
        """Raises the error that a request sent now would get; generates a token when idle."""
        health = await self.check_alive()
        self.check()
        if health is not None and not health.ready:
            raise NotReady(health.reason)
        if self._is_lost or time.perf_counter() - self.watchdog.last_token > self._probe_interval:
            await asyncio.wait([self._start_probe()], timeout=ANSWER_WAIT)
            self.check()
        if self._is_failed:
            raise NotReady(self._probe_failure)
        if self._is_lost:
            raise NotReady("a request was lost, and no token has come since")

    @property
    def _is_failed(self) -> bool:
        """Returns whether the last probe failed, and no token has come since."""
        return self._probe_failed_at > self.watchdog.last_token

    @property
    def _is_lost(self) -> bool:
        """Returns whether a request was lost after which no token was asked for and came."""
        return self._losses > self._losses_disproved

    def _check_dead(self) -> None:
        if self._dead is not None:
            raise EngineDead(DEAD)

    async def _ask_health(self, engine: Engine) -> None:
        try:
            async with asyncio.timeout(HEALTH_TIMEOUT):
                self._health = await engine.health()
        except Exception as error:
            if not isinstance(error, TimeoutError):
                logger.warning("the engine's health is not known: %r", error)
            self._health = Health(True, "the engine does not tell its health", ready=False)
        if not self._health.alive:
            self.mark_dead(self._health.reason)

    def _start_probe(self) -> "asyncio.Task[None]":
        """Have a token generated, one for all who ask meanwhile. Returns the task, which raises
        nothing."""
        assert self._engine is not None
        if self._probe is None or self._probe.done():
            self._probe = asyncio.create_task(self._run_probe(self._engine))
        return self._probe

    async def _run_probe(self, engine: Engine) -> None:
        """Generate a token in time, or note why there is none."""
        try:
            async with asyncio.timeout(PROBE_TIMEOUT):
                await self._run_one_token(engine)
            return
        except TimeoutError:
            self._probe_failure = f"no token came within {PROBE_TIMEOUT:g} s of asking for one"
        except Exception as error:
            self._probe_failure = f"a forward pass failed: {_message(error)}"
        self._probe_failed_at = time.perf_counter()

    async def _run_one_token(self, engine: Engine) -> None:
        losses, end_ids = self._losses, engine.model.end_token_ids
        prompt = (min(end_ids, default=0),)
        # A client's request id cannot hold a slash.
        request_id = f"/probe-{time.monotonic_ns()}"
        try:
            if engine.model.task == "embed":
                with self.watchdog.running(None, len(prompt)):
                    await engine.embed(EmbedRequest(request_id, prompt, probe=True))
            else:
                sampling = Sampling(1, temperature=0.0)
                request = GenerateRequest(request_id, prompt, sampling, probe=True)
                async with aclosing(engine.generate(request)) as chunks:
                    with self.watchdog.running(chunks, len(prompt)):
                        async for _ in chunks:
                            pass
        except EngineDead as error:
            self.mark_dead(error.message)
            raise
        self.watchdog.last_token, self._losses_disproved = time.perf_counter(), losses


def _message(error: Exception) -> str:
    """Returns what a client may know of a probe's failure."""
    if isinstance(error, ServiceError):
        return error.message
    logger.error("a probe failed", exc_info=error)
    return "the log has the details"
