"""Requests pass through admission, the engine and the answer, and are measured."""

import asyncio
import itertools
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import replace

from opentelemetry import trace

from common.engine import EmbedRequest, Engine, GenerateRequest
from common.errors import (
    EngineDead,
    EngineLost,
    FirstTokenTimeout,
    InternalError,
    ServiceError,
)
from common.serving.adapters import Adapters
from common.serving.admission import Admission, Party
from common.serving.answer import Answer, Delta
from common.serving.job import Job
from common.serving.lifecycle import DEAD, Lifecycle
from common.serving.merging import merge
from common.serving.metrics import Metrics
from common.serving.pieces import Pieces
from common.serving.tracing import request_attributes, response_attributes
from common.settings import Settings
from common.text.detokenizer import Detokenizer
from common.text.marks import NONE_HIDDEN, HiddenTokens, tokens_in
from common.text.tokenizer import Tokenizer

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
        adapters: Adapters,
        settings: Settings,
    ) -> None:
        self.engine = engine
        self.tokenizer = tokenizer
        self.admission = admission
        self.lifecycle = lifecycle
        self.metrics = metrics
        self.adapters = adapters
        self._first_token_timeout = settings.first_token_timeout
        self._stream_interval = settings.stream_interval
        self._serial = itertools.count()

    @asynccontextmanager
    async def stream(self, job: Job) -> AsyncIterator[tuple[Delta, AsyncIterator[Delta]]]:
        """Yields the first delta and an iterator of those that follow, of all answers.

        Raises ServiceError; one before the first delta can still become an HTTP status.
        """
        self.lifecycle.check()
        answers = len(job.prompts) * job.n
        self.admission.check_answers(answers)
        job.party = self.admission.admit(job.client, answers, background=job.background)
        span = trace.get_current_span()
        if span.is_recording():
            span.set_attributes(request_attributes(job))
        with self.adapters.use(job.adapter):
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
        if not job.admitted:
            job.admitted = time.perf_counter()
            if not job.background:
                series = self.metrics.of(job.adapter)
                series.time_in_queue.observe(job.admitted - job.arrived)
        if job.limit is not None and not job.first_token and job.limit.when() is None:
            deadline = asyncio.get_running_loop().time() + self._first_token_timeout
            job.limit.reschedule(deadline)

    def _first_token(self, job: Job, now: float) -> None:
        if job.first_token:
            return
        job.first_token = now
        if not job.background:
            # It is meant to wait, and would hide how long others do.
            self.metrics.of(job.adapter).first_token(now - job.arrived, job.request_id)
            self.admission.limit.note_first_token(now - job.admitted)
        if job.limit is not None:
            job.limit.reschedule(None)

    def _count(self, job: Job) -> None:
        self.metrics.of(job.adapter).count_tokens(job)
        if job.account is not None:
            job.account.use(job.prompt_tokens, job.completion_tokens)

    def _answers(self, job: Job) -> AsyncGenerator[Delta, None]:
        streams: list[AsyncGenerator[Delta, None]] = []
        hidden, special = self._hidden(job)
        for index in range(len(job.prompts) * job.n):
            prompt = job.prompts[index // job.n]
            answer = Answer(
                index,
                Detokenizer(
                    self.tokenizer, prompt, skip_special_tokens=not job.shown.special_tokens
                ),
                job.sampling.end_token_ids,
                job.stops,
                job.shown,
                hidden,
                None if job.thinking is None else job.thinking.parser(),
                special,
                has_calls=job.hidden is not None,
            )
            job.answers.append(answer)
            streams.append(self._generate(job, answer, self._request(job, prompt, index)))
        return streams[0] if len(streams) == 1 else merge(streams)

    def _hidden(self, job: Job) -> tuple[HiddenTokens, Mapping[int, str]]:
        """Returns the special tokens that no text shows: those that have a mark, and those of
        reasoning."""
        if job.shown.special_tokens:
            return NONE_HIDDEN, {}
        special = self.tokenizer.texts[True].special
        hidden = job.hidden
        if hidden is None:
            hidden = HiddenTokens(tokens_in(job.stops, special)) if job.stops else NONE_HIDDEN
        return hidden, {} if job.thinking is None else tokens_in(job.thinking.marks, special)

    def _request(self, job: Job, prompt: Sequence[int], index: int) -> GenerateRequest:
        """Returns a request of its own seed, and of its own id even when a client repeats one."""
        sampling = job.sampling
        if sampling.seed is not None and index % job.n:
            sampling = replace(sampling, seed=(sampling.seed + index % job.n) % 2**63)
        request_id = f"{job.request_id}-{next(self._serial):08x}"
        return GenerateRequest(request_id, prompt, sampling, adapter=job.adapter, images=job.images)

    async def _generate(
        self, job: Job, answer: Answer, request: GenerateRequest
    ) -> AsyncGenerator[Delta, None]:
        feed, clock, watchdog = answer.feed, time.perf_counter, self.lifecycle.watchdog
        observe = self.metrics.of(job.adapter).inter_token_latency.observe
        pieces = None if self._stream_interval == 1 else Pieces(self._stream_interval)
        last = 0.0
        with self._engine_errors(job.request_id):
            async with (
                self.admission.slot(job.party, patient=answer.index > 0),
                aclosing(self.engine.generate(request)) as chunks,
            ):
                self._admitted(job)
                with watchdog.running(chunks, len(request.prompt_ids)) as sequence:
                    async for chunk in chunks:
                        watchdog.last_token = job.last_token = now = clock()
                        if last:
                            if pieces is not None:
                                piece = pieces.add(chunk)
                                if piece is None:
                                    continue
                                chunk = piece
                            observe(now - last)
                        else:
                            self._first_token(job, now)
                            sequence.unread_tokens = 0
                            answer.prompt_logprobs = chunk.prompt_logprobs
                        last = now
                        if chunk.cached_tokens is not None and answer.index % job.n == 0:
                            job.cached_tokens = (job.cached_tokens or 0) + chunk.cached_tokens
                        delta = feed(chunk)
                        if delta is not None:
                            yield delta
                            if delta.finish_reason is not None:
                                return
        raise InternalError("the engine ended without a finish reason")

    async def embed(
        self,
        request_id: str,
        texts: Sequence[Sequence[int]],
        client: str = "",
        *,
        background: bool = False,
    ) -> Sequence[Sequence[float]]:
        """Returns the engine's vector of each text. Raises ServiceError, the first of any text."""
        self.lifecycle.check()
        arrived = time.perf_counter()
        party = self.admission.admit(client, len(texts), background=background)
        trace.get_current_span().set_attribute("gen_ai.usage.input_tokens", sum(map(len, texts)))
        requests = [EmbedRequest(f"{request_id}-{next(self._serial):08x}", ids) for ids in texts]
        tasks = [
            asyncio.create_task(self._vector(request, party, arrived, first=index == 0))
            for index, request in enumerate(requests)
        ]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _vector(
        self, request: EmbedRequest, party: Party, arrived: float, *, first: bool
    ) -> Sequence[float]:
        limit = self._first_token_timeout
        measured = first and not party.background
        with self._engine_errors(request.request_id):
            async with self.admission.slot(party, patient=not first):
                admitted = time.perf_counter()
                if measured:
                    self.metrics.base.time_in_queue.observe(admitted - arrived)
                try:
                    with self.lifecycle.watchdog.running(None, len(request.token_ids)):
                        async with asyncio.timeout(limit):
                            vector = await self.engine.embed(request)
                except TimeoutError:
                    raise FirstTokenTimeout(f"no vector within {limit:g} seconds") from None
        self.lifecycle.watchdog.last_token = now = time.perf_counter()
        if measured:
            self.admission.limit.note_first_token(now - admitted)
        self.metrics.base.count_prompt(len(request.token_ids))
        return vector

    @contextmanager
    def _engine_errors(self, request_id: str) -> Iterator[None]:
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
            logger.error("request %s: %s", request_id, error.message)
            raise InternalError(FAILED) from error
        except ServiceError:
            raise
        except Exception as error:
            logger.exception("request %s: the engine failed", request_id)
            raise InternalError(FAILED) from error
