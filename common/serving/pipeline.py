"""Requests pass through admission, the engine and the answer, and are measured."""

import asyncio
import itertools
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import replace
from typing import TypeVar

from opentelemetry import trace

from common.engine import Engine, GenerateRequest
from common.errors import (
    EngineDead,
    EngineLost,
    FirstTokenTimeout,
    InternalError,
    ServiceError,
)
from common.serving.admission import Admission
from common.serving.answer import Answer, Delta
from common.serving.job import Job
from common.serving.lifecycle import DEAD, Lifecycle
from common.serving.metrics import Metrics
from common.serving.tracing import request_attributes, response_attributes
from common.text.detokenizer import Detokenizer
from common.text.tokenizer import Tokenizer

T = TypeVar("T")
FAILED = "the engine failed; the log has the details"

logger = logging.getLogger("bentoml.llm.pipeline")


class Pipeline:
    """Generates for all routes, as long as the service lives."""

    def __init__(
        self,
        engine: Engine,
        tokenizer: Tokenizer,
        admission: Admission,
        lifecycle: Lifecycle,
        metrics: Metrics,
        first_token_timeout: float,
    ) -> None:
        self.engine = engine
        self.tokenizer = tokenizer
        self.admission = admission
        self.lifecycle = lifecycle
        self.metrics = metrics
        self._first_token_timeout = first_token_timeout
        self._serial = itertools.count()

    @asynccontextmanager
    async def stream(self, job: Job) -> AsyncIterator[tuple[Delta, AsyncIterator[Delta]]]:
        """Yields the first delta and an iterator of those that follow, of all answers.

        Raises ServiceError; one before the first delta can still become an HTTP status.
        """
        self.lifecycle.check()
        self.admission.check_room(len(job.prompts) * job.n)
        span = trace.get_current_span()
        if span.is_recording():
            span.set_attributes(request_attributes(job))
        async with aclosing(self._answers(job)) as deltas:
            first = await self._first(job, deltas)
            try:
                yield first, deltas
            finally:
                self._count(job)
                if span.is_recording():
                    span.set_attributes(response_attributes(job))

    async def _first(self, job: Job, deltas: AsyncIterator[Delta]) -> Delta:
        """Returns the first delta. Its time limit starts with the first slot in the engine."""
        job.limit = asyncio.timeout(None)
        try:
            async with job.limit:
                return await anext(deltas)
        except TimeoutError:
            raise FirstTokenTimeout(
                f"no first token within {self._first_token_timeout:g} seconds"
            ) from None

    def _admitted(self, job: Job) -> None:
        if job.limit is not None and not job.first_token and job.limit.when() is None:
            deadline = asyncio.get_running_loop().time() + self._first_token_timeout
            job.limit.reschedule(deadline)

    def _first_token(self, job: Job, now: float) -> None:
        if job.first_token:
            return
        job.first_token = now
        self.metrics.first_token(now - job.arrived, job.request_id)
        if job.limit is not None:
            job.limit.reschedule(None)

    def _count(self, job: Job) -> None:
        tokens = job.completion_tokens
        self.metrics.prompt_tokens.inc(job.prompt_tokens)
        self.metrics.generated_tokens.inc(tokens)
        if tokens > 1:
            self.metrics.time_per_output_token.observe(
                (job.last_token - job.first_token) / (tokens - 1)
            )

    def _answers(self, job: Job) -> AsyncGenerator[Delta, None]:
        streams: list[AsyncGenerator[Delta, None]] = []
        for index in range(len(job.prompts) * job.n):
            prompt = job.prompts[index // job.n]
            answer = Answer(
                index,
                Detokenizer(self.tokenizer, prompt),
                job.sampling.end_token_ids,
                job.stops,
            )
            job.answers.append(answer)
            streams.append(self._generate(job, answer, self._request(job, prompt, index)))
        return streams[0] if len(streams) == 1 else merge(streams)

    def _request(self, job: Job, prompt: Sequence[int], index: int) -> GenerateRequest:
        """Returns a request of its own seed, and of its own id even when a client repeats one."""
        sampling = job.sampling
        if sampling.seed is not None and index % job.n:
            sampling = replace(sampling, seed=(sampling.seed + index % job.n) % 2**63)
        return GenerateRequest(f"{job.request_id}-{next(self._serial):08x}", prompt, sampling)

    async def _generate(
        self, job: Job, answer: Answer, request: GenerateRequest
    ) -> AsyncGenerator[Delta, None]:
        feed, clock, lifecycle = answer.feed, time.perf_counter, self.lifecycle
        observe = self.metrics.inter_token_latency.observe
        last = 0.0
        with self._engine_errors(job):
            async with (
                self.admission.slot(patient=answer.index > 0),
                aclosing(self.engine.generate(request)) as chunks,
            ):
                self._admitted(job)
                async for chunk in chunks:
                    lifecycle.last_token = job.last_token = now = clock()
                    if last:
                        observe(now - last)
                    else:
                        self._first_token(job, now)
                    last = now
                    if chunk.cached_tokens is not None and answer.index % job.n == 0:
                        job.cached_tokens = (job.cached_tokens or 0) + chunk.cached_tokens
                    delta = feed(chunk)
                    if delta is not None:
                        yield delta
                        if delta.finish_reason is not None:
                            return
        raise InternalError("the engine ended without a finish reason")

    @contextmanager
    def _engine_errors(self, job: Job) -> Iterator[None]:
        """Log what the engine says of itself; a client gets the error that it failed."""
        try:
            yield
        except EngineDead as error:
            self.lifecycle.mark_dead(error.message)
            raise EngineDead(DEAD) from error
        except EngineLost:
            self.lifecycle.record_loss()
            raise
        except InternalError as error:
            logger.error("request %s: %s", job.request_id, error.message)
            raise InternalError(FAILED) from error
        except ServiceError:
            raise
        except Exception as error:
            logger.exception("request %s: the engine failed", job.request_id)
            raise InternalError(FAILED) from error


class _End:
    """The end of a stream, by itself or by an exception."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error


async def merge(streams: Sequence[AsyncGenerator[T, None]]) -> AsyncGenerator[T, None]:
    """Yields the items of all streams. The first exception ends all; closing this closes all."""
    queue: asyncio.Queue[T | _End] = asyncio.Queue(maxsize=len(streams))

    async def drain(stream: AsyncGenerator[T, None]) -> None:
        try:
            async for item in stream:
                await queue.put(item)
        except Exception as error:
            await queue.put(_End(error))
        else:
            await queue.put(_End())
        finally:
            await stream.aclose()

    tasks = [asyncio.create_task(drain(stream)) for stream in streams]
    try:
        left = len(tasks)
        while left:
            item = await queue.get()
            if not isinstance(item, _End):
                yield item
            elif item.error is not None:
                raise item.error
            else:
                left -= 1
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
