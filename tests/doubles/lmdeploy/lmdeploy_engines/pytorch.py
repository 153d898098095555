"""The PyTorch engine: its loop is a task of the event loop that it was started in."""

import asyncio
import contextlib
import multiprocessing
import threading
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from lmdeploy.messages import EngineOutput, RequestMetrics, ResponseType

from tests.doubles.generation import Handle, Token

from .base import DoubleEngine, logger
from .options import pytorch_options

RECEIVE_SECONDS = 1.0
"""After which a request that hears nothing looks whether the loop is alive."""


def work() -> None:
    """A worker process: it ends by a signal only."""
    threading.Event().wait()


class PytorchEngine(DoubleEngine):
    def __init__(self, model_path: Path, engine_config: Any) -> None:
        if engine_config.distributed_executor_backend == "mp":
            raise ValueError("signal only works in main thread of the main interpreter")
        super().__init__(model_path, engine_config)
        self.max_session_len: int = engine_config.session_len
        self._task: asyncio.Task[None] | None = None
        self._died = asyncio.Event()
        self._workers = [
            multiprocessing.get_context("spawn").Process(target=work, daemon=True)
            for _ in range(engine_config.tp if engine_config.tp > 1 else 0)
        ]
        for worker in self._workers:
            worker.start()

    def create_instance(self, cuda_stream_id: int = 0) -> "EngineInstance":
        return EngineInstance(self)

    def start_loop(self) -> bool:
        if self._task is None:
            self._loop = asyncio.get_running_loop()
            self._task = self._loop.create_task(self._main_loop(), name="EngineMainLoop")
        return True

    def is_loop_alive(self) -> bool:
        if self._task is None or self._task.get_loop() is not asyncio.get_running_loop():
            return False
        return not self._task.done()

    async def _main_loop(self) -> None:
        await self._died.wait()
        logger.error("Engine main loop failed.")

    def die(self) -> None:
        """A step failed: whoever waits is not told."""
        self._loop.call_soon_threadsafe(self._died.set)

    async def get_health_status(self) -> dict[str, Any]:
        if not self.is_loop_alive():
            message = "PyTorch engine request loop is not alive."
            return {"alive": False, "message": message, "schedule_metrics": None}
        return {
            "alive": True,
            "message": "PyTorch engine is healthy.",
            "schedule_metrics": self.get_schedule_metrics(),
        }

    async def wait_tasks(self) -> None:
        if self._task is not None:
            await self._task

    def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
        for worker in self._workers:
            worker.terminate()
            worker.join(10)
        super().close()


class EngineInstance:
    def __init__(self, engine: PytorchEngine) -> None:
        self._engine = engine
        self._tokens: list[Token] = []
        self._status: ResponseType | None = None
        self._event = asyncio.Event()
        self._handle: Handle | None = None

    async def async_cancel(self, session_id: int) -> None:
        if self._handle is not None and self._status is None:
            self._finish(ResponseType.CANCEL)
        await self._answered()

    async def async_stream_infer(
        self, session_id: int, input_ids: list[int], gen_config: Any, **kwargs: Any
    ) -> AsyncGenerator[EngineOutput, None]:
        engine = self._engine
        if len(input_ids) > engine.max_session_len:
            yield EngineOutput(ResponseType.INPUT_LENGTH_ERROR, [])
            return
        mode = engine.engine_config.logprobs_mode
        try:
            options = pytorch_options(gen_config, engine.eos, engine.generator.vocab_size, mode)
        except RuntimeError:
            engine.die()
            raise
        self._tokens, self._status, self._event = [], None, asyncio.Event()
        loop = asyncio.get_running_loop()
        tokens, event = self._tokens, self._event

        def deliver(item: Token | Exception) -> None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._take, item, tokens, event)

        self._handle = engine.generator.submit(input_ids, options, deliver)
        seen = 0
        try:
            while True:
                status = await self._receive()
                new, seen = tokens[seen:], len(tokens)
                if status not in (None, ResponseType.FINISH, ResponseType.CANCEL):
                    yield EngineOutput(status, [])
                    return
                yield EngineOutput(
                    status or ResponseType.SUCCESS,
                    [token.id for token in new],
                    [_logprobs(token) for token in new] if options.top_logprobs else None,
                    req_metrics=RequestMetrics(),
                )
                if status is not None:
                    return
        finally:
            self._handle.abort()
            await self._answered()

    async def _receive(self) -> ResponseType | None:
        """The end's status, None for more tokens."""
        while not self._event.is_set():
            try:
                await asyncio.wait_for(self._event.wait(), RECEIVE_SECONDS)
            except TimeoutError:
                if not self._engine.is_loop_alive():
                    return ResponseType.ENGINE_STOP_ERROR
        self._event.clear()
        return self._status

    async def _answered(self) -> None:
        """Of a dead loop nothing is heard, and that takes its time."""
        if not self._engine.is_loop_alive():
            await asyncio.sleep(RECEIVE_SECONDS)

    def _take(self, item: Token | Exception, tokens: list[Token], event: asyncio.Event) -> None:
        if tokens is not self._tokens or self._status is not None:
            return
        if isinstance(item, Exception) or not self._engine.is_loop_alive():
            return
        tokens.append(item)
        self._engine.count_token()
        if len(tokens) >= self._engine.fail_after:
            self._finish(ResponseType.INTERNAL_ENGINE_ERROR)
        elif item.finish is not None:
            self._finish(ResponseType.FINISH)
        event.set()

    def _finish(self, status: ResponseType) -> None:
        self._status = status
        self._event.set()


def _logprobs(token: Token) -> dict[int, float]:
    """The chosen token first, whether or not it is among the likeliest."""
    return {token.id: token.logprob} | dict(token.top)
