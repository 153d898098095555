"""Echo: the reference backend, without any ML dependency and with settable timing and failures.

It answers with the tokens of the prompt, again and again until max_tokens.
"""

import asyncio
import itertools
import math
from collections.abc import AsyncGenerator, Callable, Collection, Iterator
from contextlib import suppress
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from common.engine import (
    IN_PROCESS,
    Chunk,
    EmbedRequest,
    Engine,
    FinishReason,
    GenerateRequest,
    Health,
    Phase,
    TokenLogprob,
)
from common.errors import EngineDead, InternalError, StartError
from common.models.adapters import Adapter
from common.sampling import Sampling
from common.service.bento_service import llm_service

VERSION = "1"
CERTAIN = 0.0
"""The log-probability of a token that was bound to come."""


class EchoArgs(BaseModel):
    """The `engine_args` of this backend. Times are in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start_delay: float = Field(0, ge=0)
    compile_delay: float = Field(0, ge=0)
    warm_up_delay: float = Field(0, ge=0)
    ttft: float = Field(0, ge=0, description="time to first token")
    itl: float = Field(0, ge=0, description="time between tokens")
    tokens_per_chunk: int = Field(1, ge=1)
    length: int | None = Field(None, ge=1, description="tokens before the end token")
    cached_tokens: int | None = Field(None, ge=0, description="of a prompt, told as if cached")
    failure: Literal["none", "start", "request", "midstream", "death", "hang"] = "none"
    fail_after: int = Field(3, ge=0, description="tokens before a failure")


class EchoEngine(Engine):
    """Echoes the prompt, token by token; an adapter makes it come backwards."""

    name = "echo"
    title = "Echo"
    release = VERSION
    interface = "a stand-in with settable timing and failures"
    loads_weights = False
    unsupported_settings = {
        **IN_PROCESS,
        **dict.fromkeys(
            (
                "chunked_prefill",
                "data_parallel_size",
                "dtype",
                "expert_parallel",
                "gpu_memory_utilization",
                "kv_cache_dtype",
                "kv_cache_gib",
                "kv_offload",
                "pipeline_parallel_size",
                "prefix_caching",
                "quantization",
                "seed",
                "speculative",
                "tensor_parallel_size",
                "trust_remote_code",
            ),
            "an echo computes nothing",
        ),
    }
    no_embeddings = None
    optional: ClassVar[Collection[str]] = ("prompt_logprobs",)
    unsupported = {
        "logit_bias": "an echo's tokens are fixed by its prompt",
        "response_format": "an echo cannot be made to follow a grammar",
    }

    @property
    def version(self) -> str:
        return VERSION

    async def start(self, report: Callable[[Phase], None]) -> None:
        try:
            self._args = EchoArgs(**self.settings.engine_args)
        except ValidationError as error:
            allowed = ", ".join(EchoArgs.model_fields)
            first = error.errors()[0]
            reason = f"{first['loc'][0]!r}: {first['msg']}"
            raise StartError(f"setting 'engine_args': {reason}; allowed are {allowed}") from None
        self._dead: asyncio.Event = asyncio.Event()
        self.running = 0
        report("load")
        await asyncio.sleep(self._args.start_delay)
        if self._args.failure == "start":
            raise StartError("setting 'engine_args': failure is 'start'")
        if self._args.compile_delay:
            report("compile")
            await asyncio.sleep(self._args.compile_delay)
        report("warm-up")
        await asyncio.sleep(self._args.warm_up_delay)

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        args = self._args
        top_logprobs = request.sampling.logprobs
        sent = 0
        self.running += 1
        try:
            if not request.probe:
                await self._pause(args.ttft)
            for ids, finish_reason in self._chunks(request):
                sent += len(ids)
                if args.failure != "none" and sent > args.fail_after and not request.probe:
                    await self._fail()
                logprobs = None if top_logprobs is None else self._logprobs(ids, top_logprobs)
                yield Chunk(
                    ids,
                    logprobs=logprobs,
                    finish_reason=finish_reason,
                    cached_tokens=None if finish_reason is None else self._cached(request),
                    prompt_logprobs=self._prompt_logprobs(request) if sent == len(ids) else None,
                )
                # Others run between two tokens even when a token costs nothing.
                await (self._pause(args.itl) if args.itl else asyncio.sleep(0))
        finally:
            self.running -= 1

    async def embed(self, request: EmbedRequest) -> list[float]:
        """Returns a vector that follows from the token ids alone."""
        self.running += 1
        try:
            if not request.probe:
                await self._pause(self._args.ttft)
                if self._args.failure != "none":
                    await self._fail()
            places = range(1, self.model.embedding.size + 1)
            return [
                sum(math.sin(place * (token + 1)) for token in request.token_ids)
                for place in places
            ]
        finally:
            self.running -= 1

    async def health(self) -> Health:
        if self._dead.is_set():
            return Health(False, "the echo fell silent")
        return Health(True, kv_cache_usage=min(self.running / self.settings.max_concurrency, 1.0))

    async def load_adapter(self, adapter: Adapter) -> None:
        """Every adapter does the same to an echo."""

    async def unload_adapter(self, adapter: Adapter) -> None:
        """Nothing was loaded."""

    async def stop(self) -> None:
        """Nothing was started."""

    def _chunks(self, request: GenerateRequest) -> Iterator[tuple[list[int], FinishReason | None]]:
        """Yield the prompt over and over, to an end token in it, `length` or max_tokens."""
        sampling = request.sampling
        last = self.model.end_token_ids & sampling.end_token_ids
        shown = list(request.prompt_ids)
        if last:
            shown = [i for i in shown if i not in last] or shown
        if request.adapter is not None:
            shown.reverse()
        length = self._ending(shown, sampling)
        ids: Iterator[int] = itertools.islice(itertools.cycle(shown), length)
        if self._args.length is not None and last:
            before_end = max(self._args.length, sampling.min_tokens)
            if length is None or before_end < length:
                length = before_end + 1
                ids = itertools.chain(itertools.islice(ids, before_end), [min(last)])
        reason: FinishReason = "stop"
        if length is None or length > sampling.max_tokens:
            length, reason = sampling.max_tokens, "length"
        echoed = list(itertools.islice(ids, length))
        step = self._args.tokens_per_chunk
        for start in range(0, length - step, step):
            yield echoed[start : start + step], None
        yield echoed[(length - 1) // step * step :], reason

    @staticmethod
    def _ending(shown: list[int], sampling: Sampling) -> int | None:
        """Returns the number of tokens up to the echo's first end token, None without one."""
        first, ends = sampling.min_tokens, sampling.end_token_ids
        if ends.isdisjoint(shown):
            return None
        for position in range(first, first + len(shown)):
            if shown[position % len(shown)] in ends:
                return position + 1
        return None

    @staticmethod
    def _logprobs(ids: list[int], top_logprobs: int) -> list[TokenLogprob]:
        return [TokenLogprob(i, CERTAIN, [(i, CERTAIN)] if top_logprobs else []) for i in ids]

    @classmethod
    def _prompt_logprobs(cls, request: GenerateRequest) -> list[TokenLogprob | None] | None:
        top = request.sampling.prompt_logprobs
        return None if top is None else [None, *cls._logprobs(list(request.prompt_ids[1:]), top)]

    def _cached(self, request: GenerateRequest) -> int | None:
        cached = self._args.cached_tokens
        return None if cached is None else min(cached, len(request.prompt_ids))

    async def _pause(self, seconds: float) -> None:
        """Raises EngineDead as soon as the engine dies meanwhile."""
        if seconds:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._dead.wait()
        if self._dead.is_set():
            raise EngineDead("the echo fell silent")

    async def _fail(self) -> None:
        match self._args.failure:
            case "death":
                self._dead.set()
                raise EngineDead("the echo fell silent")
            case "hang":
                await self._dead.wait()
            case _:
                raise InternalError("the echo failed as it was told to")


Echo = llm_service(EchoEngine, name="Echo")
