"""What a request gives: one object, changed at each step, on the loop that it was made on."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..sampling_params import SamplingParams


class RequestError(RuntimeError):
    """One request failed; others go on."""


@dataclass(slots=True)
class Logprob:
    logprob: float
    rank: int | None = None


@dataclass(slots=True)
class CompletionOutput:
    """Cumulative; the `_diff`s are what the last step added."""

    index: int
    text: str = ""
    token_ids: list[int] = field(default_factory=list)
    cumulative_logprob: float | None = None
    logprobs: list[Any] = field(default_factory=list)
    prompt_logprobs: list[Any] = field(default_factory=list)
    finish_reason: str | None = None
    stop_reason: int | str | None = None
    _last_text_len: int = 0
    _last_token_ids_len: int = 0
    _last_logprobs_len: int = 0

    @property
    def length(self) -> int:
        return len(self.token_ids)

    @property
    def text_diff(self) -> str:
        return self.text[self._last_text_len :]

    @property
    def token_ids_diff(self) -> list[int]:
        return self.token_ids[self._last_token_ids_len :]

    @property
    def logprobs_diff(self) -> list[Any]:
        return self.logprobs[self._last_logprobs_len :]


class Response(NamedTuple):
    """Of the worker. `finish` is END_ID, STOP_WORDS, LENGTH or CANCELLED in the last one."""

    token_ids: list[int]
    finish: str | None = None
    error: str | None = None


class RequestOutput:
    """Made by the executor. Leaving a loop over it aborts nothing."""

    def __init__(
        self,
        request_id: int,
        prompt_token_ids: list[int],
        params: SamplingParams,
        abort: Callable[[int], None],
        background_error: Callable[[Exception | str | None], None],
    ) -> None:
        self.request_id = request_id
        self.prompt: str | None = None
        self.prompt_token_ids = prompt_token_ids
        self.outputs = [CompletionOutput(0)]
        self.cached_tokens = 0
        self._params = params
        self._abort = abort
        self._background_error = background_error
        self._done = False
        try:
            self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None
        self._queue: asyncio.Queue[Response] = asyncio.Queue()

    @property
    def finished(self) -> bool:
        return self._done

    def abort(self) -> None:
        self._abort(self.request_id)

    def put(self, response: Response) -> None:
        """From any thread."""
        assert self._loop is not None
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._queue.put_nowait, response)

    def __aiter__(self) -> "RequestOutput":
        return self

    async def __anext__(self) -> "RequestOutput":
        if self._done:
            raise StopAsyncIteration
        assert self._loop is not None, "The asyncio event loop was not present"
        self._handle(await self._queue.get())
        return self

    def _handle(self, response: Response) -> None:
        if response.error is not None:
            self._background_error(response.error)
        output = self.outputs[0]
        output._last_token_ids_len = len(output.token_ids)
        output.token_ids.extend(response.token_ids)
        if response.finish is not None:
            self._done = True
            self._finish(output, response.finish)
        self._background_error(None)

    def _finish(self, output: CompletionOutput, reason: str) -> None:
        names = {"END_ID": "stop", "STOP_WORDS": "stop", "LENGTH": "length"}
        output.finish_reason = names.get(reason, "cancelled")
        if reason == "STOP_WORDS":
            output.stop_reason = output.token_ids[-1]
            if not self._params.include_stop_str_in_output:
                del output.token_ids[-1]
