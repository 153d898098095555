"""Echo: the reference backend, without any ML dependency and with settable timing and failures.

It answers with the tokens of the prompt, again and again until max_tokens.
"""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import suppress
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from common.engine import (
    IN_PROCESS,
    Chunk,
    Engine,
    FinishReason,
    GenerateRequest,
    Health,
    Phase,
    Tested,
    TokenLogprob,
)
from common.errors import EngineDead, InternalError, StartError
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
    failure: Literal["none", "start", "request", "midstream", "death", "hang"] = "none"
    fail_after: int = Field(3, ge=0, description="tokens before a failure")


class EchoEngine(Engine):
    """Echoes the prompt, token by token."""

    name = "echo"
    title = "Echo"
    release = VERSION
    interface = "a stand-in with settable timing and failures"
    tested = Tested(cpu="in every test run")
    loads_weights = False
    unsupported_settings = {
        **IN_PROCESS,
        **dict.fromkeys(
            (
                "chunked_prefill",
                "dtype",
                "gpu_memory_utilization",
                "kv_cache_dtype",
                "kv_cache_gib",
                "prefix_caching",
                "quantization",
                "seed",
                "tensor_parallel_size",
                "trust_remote_code",
            ),
            "an echo computes nothing",
        ),
    }
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
                yield Chunk(ids, logprobs=logprobs, finish_reason=finish_reason)
                # Others run between two tokens even when a token costs nothing.
                await (self._pause(args.itl) if args.itl else asyncio.sleep(0))
        finally:
            self.running -= 1

    async def health(self) -> Health:
        if self._dead.is_set():
            return Health(False, "the echo fell silent")
        return Health(True, kv_cache_usage=min(self.running / self.settings.max_concurrency, 1.0))

    async def stop(self) -> None:
        """Nothing was started."""

    def _chunks(self, request: GenerateRequest) -> Iterator[tuple[list[int], FinishReason | None]]:
        """Yield the prompt over and over, to an end token in it, `length` or max_tokens."""
        sampling = request.sampling
        last = self.model.end_token_ids & sampling.end_token_ids
        shown = [i for i in request.prompt_ids if i not in last] or list(request.prompt_ids)
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
        first = sampling.min_tokens
        for position in range(first, first + len(shown)):
            if shown[position % len(shown)] in sampling.end_token_ids:
                return position + 1
        return None

    @staticmethod
    def _logprobs(ids: list[int], top_logprobs: int) -> list[TokenLogprob]:
        return [TokenLogprob(i, CERTAIN, [(i, CERTAIN)] if top_logprobs else []) for i in ids]

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
