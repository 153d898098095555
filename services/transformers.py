"""Hugging Face transformers in process: continuous batching in a thread, on a GPU or a CPU."""

import asyncio
import threading
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

from common.engine import (
    IN_PROCESS,
    Chunk,
    FinishReason,
    GenerateRequest,
    Health,
    Tested,
)
from common.errors import EngineDead, InternalError, InvalidValue
from common.models.model import Model
from common.processes.in_process_engine import InProcessEngine
from common.sampling import Sampling
from common.service.bento_service import llm_service
from common.settings import Settings

if TYPE_CHECKING:
    from services._transformers.sampler import Sampler

WATCH_INTERVAL = 0.25
MAX_MESSAGE = 300


class _OutputSlot:
    """The newest unread output of one request; an output has all tokens so far."""

    def __init__(self) -> None:
        self.output: Any = None
        self.changed = asyncio.Event()

    def deliver(self, output: Any) -> None:
        self.output = output
        self.changed.set()


class TransformersEngine(InProcessEngine):
    """One ContinuousBatchingManager, whose tokens our own Sampler chooses."""

    name = "transformers"
    title = "Transformers"
    release = "5.24.0"
    interface = "continuous batching in process"
    tested = Tested(cpu="5.24.0, in every test run")
    package = "transformers"
    stop_timeout = 4.0
    warm_up = Sampling(max_tokens=1, temperature=0)
    unsupported_settings = {
        **IN_PROCESS,
        "chunked_prefill": "its continuous batching always mixes prefill with decoding",
        "kv_cache_dtype": "its continuous batching keeps keys and values as the model computes",
        "tensor_parallel_size": "its continuous batching runs on one device",
    }
    unsupported = {"response_format": "its continuous batching has no constrained decoding"}

    _sampler: "Sampler"

    def __init__(self, settings: Settings, model: Model) -> None:
        super().__init__(settings, model)
        self._manager: Any = None
        self._capacity = 0
        self._streams: dict[str, _OutputSlot] = {}
        self._watcher: asyncio.Task[None] | None = None

    @property
    def version(self) -> str:
        import transformers

        return str(transformers.__version__)

    def _load(self) -> None:
        from services._transformers.loading import load_manager

        manager, self._sampler, self._capacity = load_manager(self.settings, self.model)
        self._check_stopping()
        # The generation thread inherits this flag: it must not keep the process alive.
        starter = threading.Thread(target=manager.start, daemon=True)
        starter.start()
        starter.join()
        self._manager = manager

    async def _after_load(self) -> None:
        self._watcher = asyncio.create_task(self._watch())

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        self._check(len(request.prompt_ids), request.sampling.max_tokens)
        manager, request_id, sampling = self._manager, request.request_id, request.sampling
        row = self._sampler.new_row(sampling, request.prompt_ids)
        stream = self._streams[request_id] = _OutputSlot()
        self._sampler.rows[request_id] = row
        manager.register_result_handler(request_id, stream.deliver)
        finish_reason: FinishReason | None = None
        sent = 0
        try:
            manager.add_request(
                list(request.prompt_ids),
                request_id=request_id,
                max_new_tokens=sampling.max_tokens,
                streaming=True,
                eos_token_id=list(sampling.end_token_ids),
            )
            while finish_reason is None:
                output = await self._next(stream)
                new = output.generated_tokens[sent:]
                scored = row.logprobs[sent : sent + len(new)]
                sent += len(new)
                if output.is_finished():
                    finish_reason = "stop" if new[-1] in sampling.end_token_ids else "length"
                yield Chunk(new, logprobs=scored or None, finish_reason=finish_reason)
        finally:
            del self._streams[request_id], self._sampler.rows[request_id]
            manager.output_router.result_handlers.pop(request_id, None)
            if finish_reason is None:
                manager.cancel_request(request_id)

    def _check(self, prompt_tokens: int, max_tokens: int) -> None:
        """Refuse what would end the generation thread, and with it every other request."""
        if reason := self._dead():
            raise EngineDead(reason)
        if not 0 < prompt_tokens <= self._capacity - max_tokens:
            raise InvalidValue(
                f"prompt of {prompt_tokens} tokens and max_tokens {max_tokens}: allowed "
                f"is a prompt of at least 1 token and {self._capacity} together"
            )

    async def _next(self, stream: _OutputSlot) -> Any:
        """Returns the newest output once there is one. Raises EngineDead or InternalError."""
        if stream.output is None and not self._dead():
            await stream.changed.wait()
        stream.changed.clear()
        output, stream.output = stream.output, None
        if output is not None and output.error is None:
            return output
        if dead := self._dead():
            raise EngineDead(dead)
        raise InternalError(f"transformers: {output.error:.{MAX_MESSAGE}}")

    async def _watch(self) -> None:
        """Undo what the generation thread leaves behind after cancellations, until it ends."""
        scheduler = self._manager.batch_processor.scheduler
        orphans = self._manager.output_router.output_queue.queue
        while not self._dead():
            await asyncio.sleep(WATCH_INTERVAL)
            if not scheduler.active_requests:
                # Set while the cache is short, reset only when an active request finishes.
                scheduler.block_new_requests = False
            orphans.clear()
        for stream in self._streams.values():
            stream.changed.set()

    def _dead(self) -> str:
        """Returns why nothing is generated any more; empty while all is well."""
        if self._manager is None:
            return "the engine is not running"
        status = self._manager.background_thread_status
        if status.fatal_error is not None:
            return f"transformers' generation thread died: {status.fatal_error!s:.{MAX_MESSAGE}}"
        refused: str | None = status.can_accept_new_requests()
        if refused or not self._manager.is_running():
            return "transformers' generation thread has ended"
        return ""

    async def health(self) -> Health:
        if reason := self._dead():
            return Health(False, reason)
        cache = self._manager.batch_processor.cache
        free = cache.compute_free_capacity(relative=False)
        for allocator in cache.cache_allocators.values():
            free += len(allocator.ledger.cached_blocks) * allocator.bytes_per_block
        size = cache.num_sectors * cache.bytes_per_sector
        return Health(True, kv_cache_usage=max(0.0, 1 - free / size))

    async def _shut_down(self) -> None:
        if self._manager is not None:
            manager, self._manager = self._manager, None
            await asyncio.to_thread(manager.stop, timeout=self.stop_timeout, hard_stop=True)
        if self._watcher is not None:
            await self._watcher


Transformers = llm_service(TransformersEngine, name="Transformers")
