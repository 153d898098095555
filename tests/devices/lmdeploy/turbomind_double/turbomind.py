"""TurboMind: a handle reads what its request's own thread has made by then, tokens together.

DOUBLE_DIE_AFTER and DOUBLE_FAIL_AFTER are numbers of tokens, of all answers and of one.
"""

import asyncio
import copy
import os
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from lmdeploy.messages import EngineOutput, RequestMetrics, ResponseType, ScheduleMetrics
from lmdeploy.tokenizer import Tokenizer

from tests.doubles.generation import DemoGenerator, Handle, Token

from .options import turbomind_options

STATUS = {
    5: ResponseType.INTERNAL_ENGINE_ERROR,
    7: ResponseType.FINISH,
    8: ResponseType.CANCEL,
    11: ResponseType.OUT_OF_MEMORY,
}
"""By lmdeploy/turbomind/turbomind.py."""
DEFAULT_BATCH_SIZE = 128


class TurboMind:
    """It has no way to be dead but to end its process."""

    def __init__(self, model_path: Path, engine_config: Any) -> None:
        if not 0 < engine_config.cache_max_entry_count < 1:
            os.abort()
        self.engine_config = copy.deepcopy(engine_config)
        if self.engine_config.max_batch_size is None:
            self.engine_config.max_batch_size = DEFAULT_BATCH_SIZE
        self.generator = DemoGenerator(model_path)
        self.eos = Tokenizer(str(model_path)).eos_token_id or 0
        self.cache_tokens = sys.maxsize
        """Of a prompt, at most."""
        self.tokens = 0
        """Given so far."""
        self.fail_after = int(os.environ.get("DOUBLE_FAIL_AFTER", sys.maxsize))
        self._die_after = int(os.environ.get("DOUBLE_DIE_AFTER", sys.maxsize))

    def create_instance(self, cuda_stream_id: int = 0) -> "TurboMindInstance":
        return TurboMindInstance(self)

    def count_token(self) -> None:
        self.tokens += 1
        if self.tokens == self._die_after:
            os.abort()

    def get_schedule_metrics(self) -> ScheduleMetrics:
        running = self.generator.running
        usage = min(running / self.engine_config.max_batch_size, 1.0)
        return ScheduleMetrics(running, 0, usage, scheduler_tick=self.tokens)

    async def get_health_status(self) -> dict[str, Any]:
        return {
            "alive": True,
            "message": "TurboMind engine is healthy.",
            "schedule_metrics": self.get_schedule_metrics(),
        }

    def close(self) -> None:
        self.generator.close()


class _Request:
    """Written by the generator's thread, read by the event loop."""

    def __init__(self, engine: TurboMind) -> None:
        self.ids: list[int] = []
        self.status = 0
        self._engine = engine
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self.handle: Handle | None = None

    def deliver(self, item: Token | Exception) -> None:
        if self.status:
            return
        if isinstance(item, Exception):
            self.status = 5
        else:
            self.ids.append(item.id)
            self._engine.count_token()
            self.status = 7 if item.finish else 0
            if len(self.ids) >= self._engine.fail_after:
                self.status = 5
        # Every third token comes together with the next.
        if self.status or len(self.ids) % 3:
            self._signal()

    def cancel(self) -> None:
        if not self.status:
            self.status = 8
        if self.handle is not None:
            self.handle.abort()
        self._signal()

    async def changed(self) -> None:
        await self._changed.wait()
        self._changed.clear()

    def _signal(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._changed.set)


class TurboMindInstance:
    def __init__(self, engine: TurboMind) -> None:
        self._engine = engine
        self._request: _Request | None = None

    async def async_cancel(self, session_id: int) -> None:
        if self._request is not None:
            self._request.cancel()

    async def async_stream_infer(
        self, session_id: int, input_ids: list[int], gen_config: Any, **kwargs: Any
    ) -> AsyncGenerator[EngineOutput, None]:
        engine = self._engine
        try:
            options = turbomind_options(gen_config, engine.eos)
        except OverflowError:
            os.abort()
        if len(input_ids) > engine.cache_tokens:
            yield EngineOutput(STATUS[11], [])
            return
        self._request = request = _Request(engine)
        request.handle = engine.generator.submit(input_ids, options, request.deliver)
        seen = 0
        try:
            while True:
                await request.changed()
                status, end = request.status, len(request.ids)
                if status == 5:
                    yield EngineOutput(STATUS[status], [])
                    break
                if end == seen and not status:
                    continue
                ids, seen = request.ids[seen:end], end
                metrics = RequestMetrics() if engine.engine_config.enable_metrics else None
                # Of what the sampler left, which is one token for a greedy answer.
                logprobs = [{i: 0.0} for i in ids] if gen_config.logprobs else None
                output = STATUS.get(status, ResponseType.SUCCESS)
                yield EngineOutput(output, ids, logprobs, req_metrics=metrics)
                if status:
                    break
        except (GeneratorExit, asyncio.CancelledError):
            # Not raised again: the answer then looks complete.
            request.cancel()
        finally:
            while not request.status:
                await request.changed()
