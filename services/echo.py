"""Echo: the reference backend, without any ML dependency and with settable timing and failures.

It answers with the tokens of the prompt, again and again until max_tokens.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from common.engine import Chunk, Engine, FinishReason, GenerateRequest, Health, Phase, TokenLogprob
from common.errors import EngineDead, InternalError, StartError
from common.service import llm_service

VERSION = "1"
CERTAIN = 0.0
"""The log-probability of a token that was bound to come."""


class EchoArgs(BaseModel):
    """`engine_args` of this backend. Times are in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start_delay: float = Field(0, ge=0)
    ttft: float = Field(0, ge=0, description="time to first token")
    itl: float = Field(0, ge=0, description="time between tokens")
    tokens_per_chunk: int = Field(1, ge=1)
    length: int | None = Field(None, ge=1, description="tokens before the end token")
    failure: Literal["none", "start", "request", "midstream", "death", "hang"] = "none"
    fail_after: int = Field(3, ge=0, description="tokens before a failure")


class EchoEngine(Engine):
    """Echoes the prompt, token by token."""

    name = "echo"
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
        except (ValidationError, TypeError) as error:
            allowed = ", ".join(EchoArgs.model_fields)
            reason = str(error).splitlines()[-2].strip() if "\n" in str(error) else str(error)
            raise StartError(f"setting 'engine_args': {reason}; allowed are {allowed}") from None
        self._dead: asyncio.Event = asyncio.Event()
        self.running = 0
        report("load")
        await asyncio.sleep(self._args.start_delay)
        if self._args.failure == "start":
            raise StartError("setting 'engine_args': failure is 'start'")

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        self.running += 1
        try:
            async for chunk in self._echo(request):
                yield chunk
        finally:
            self.running -= 1

    async def health(self) -> Health:
        if self._dead.is_set():
            return Health(False, "the echo fell silent")
        return Health(True, kv_cache_usage=min(self.running / self.settings.max_concurrency, 1.0))

    async def stop(self) -> None:
        """Nothing was started."""

    async def _echo(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        args, sampling = self._args, request.sampling
        probe = request.request_id.startswith("probe-")
        ids = self._tokens(request)
        await self._pause(args.ttft)
        sent = 0
        while True:
            step = min(args.tokens_per_chunk, sampling.max_tokens - sent)
            piece = [next(ids) for _ in range(step)]
            ended = next((i for i, t in enumerate(piece) if t in sampling.end_token_ids), None)
            if ended is not None:
                piece = piece[: ended + 1]
            sent += len(piece)
            if not probe and args.failure != "none" and sent > args.fail_after:
                await self._fail()
            finish: FinishReason | None = "stop" if ended is not None else None
            if finish is None and sent >= sampling.max_tokens:
                finish = "length"
            yield self._chunk(piece, request, finish)
            if finish is not None:
                return
            await self._pause(args.itl)

    def _tokens(self, request: GenerateRequest) -> Iterator[int]:
        """The prompt over and over; after `length` tokens the model's end token, if one ends it."""
        ends = self.model.end_token_ids & request.sampling.end_token_ids
        shown = [i for i in request.prompt_ids if i not in ends] or list(request.prompt_ids)
        count = 0
        while True:
            for token_id in shown:
                if count == self._args.length and ends and count >= request.sampling.min_tokens:
                    yield min(ends)
                count += 1
                yield token_id

    @staticmethod
    def _chunk(piece: list[int], request: GenerateRequest, finish: FinishReason | None) -> Chunk:
        wanted = request.sampling.logprobs
        if wanted is None:
            return Chunk(piece, None, None, finish)
        logprobs = [TokenLogprob(i, CERTAIN, [(i, CERTAIN)] if wanted else []) for i in piece]
        return Chunk(piece, None, logprobs, finish)

    async def _pause(self, seconds: float) -> None:
        """Let others run even at no cost per token; end at once when the engine dies."""
        if seconds <= 0:
            await asyncio.sleep(0)
        else:
            try:
                async with asyncio.timeout(seconds):
                    await self._dead.wait()
            except TimeoutError:
                pass
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
