"""Hugging Face transformers in process: continuous batching in a thread, on a GPU or a CPU."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from common.engine import (
    IN_PROCESS,
    Chunk,
    EmbedRequest,
    FinishReason,
    GenerateRequest,
    Health,
)
from common.errors import EngineDead, InternalError, InvalidValue
from common.machine import Need
from common.models.adapters import Adapter
from common.models.model import Model
from common.processes.in_process_engine import InProcessEngine
from common.sampling import Sampling
from common.service.bento_service import llm_service
from common.settings import Settings
from services._transformers.families import image_gaps

if TYPE_CHECKING:
    from services._transformers.adapters import BatchAdapters
    from services._transformers.embedding import Embedder
    from services._transformers.images import ImageRows, ImageTokens
    from services._transformers.sampler import Sampler

WATCH_INTERVAL = 0.25
MAX_MESSAGE = 300
NOT_RUNNING = "the engine is not running"


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
    package = "transformers"
    needs = (Need.DRIVER,)
    stop_timeout = 4.0
    warm_up = Sampling(max_tokens=1, temperature=0)
    unsupported_settings = {
        **IN_PROCESS,
        "chunked_prefill": "its continuous batching always mixes prefill with decoding",
        "kv_cache_dtype": "its continuous batching keeps keys and values as the model computes",
        "data_parallel_size": "one process holds one copy of the model; run several services",
        "expert_parallel": "its continuous batching runs on one device",
        "pipeline_parallel_size": "its continuous batching runs on one device",
        "speculative": "its continuous batching checks no drafted tokens, as its generate() does",
        "tensor_parallel_size": "its continuous batching runs on one device",
    }
    no_embeddings = None
    unsupported = {"response_format": "its continuous batching has no constrained decoding"}
    optional = ("allowed_token_ids", "bad_words", "prompt_logprobs", "images")

    _sampler: "Sampler"
    _embedder: "Embedder | None" = None
    _adapters: "BatchAdapters | None"

    def __init__(self, settings: Settings, model: Model) -> None:
        super().__init__(settings, model)
        self._manager: Any = None
        self._capacity = 0
        self._streams: dict[str, _OutputSlot] = {}
        self._watcher: asyncio.Task[None] | None = None
        self._image_tokens: ImageTokens | None = None
        self._vision = ThreadPoolExecutor(1, "vision")

    def gaps(self) -> Mapping[str, str]:
        adapters = self.settings.adapter_slots > 0
        return {**self.unsupported, **image_gaps(self.model, beside_adapters=adapters)}

    @property
    def version(self) -> str:
        import transformers

        return str(transformers.__version__)

    def _load(self) -> None:
        if self.model.task == "embed":
            from services._transformers.embedding import Embedder

            self._embedder = Embedder(self.settings, self.model)
            return
        from services._transformers.loading import load_manager

        loaded = load_manager(self.settings, self.model)
        manager, self._sampler, self._capacity, self._adapters, self._image_tokens = loaded
        self._check_stopping()
        # The generation thread inherits this flag: it must not keep the process alive.
        starter = threading.Thread(target=manager.start, daemon=True)
        starter.start()
        starter.join()
        self._manager = manager

    async def _after_load(self) -> None:
        if self._embedder is not None:
            return
        self._watcher = asyncio.create_task(self._watch())

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        self._check(len(request.prompt_ids), request.sampling.max_tokens)
        ids, images = await self._read_ids(request)
        manager, sampling = self._manager, request.sampling
        number = 0 if request.adapter is None else request.adapter.number
        request_id = f"{number}:{request.request_id}"
        row = self._sampler.new_row(sampling, request.prompt_ids, ids, number)
        stream = self._streams[request_id] = _OutputSlot()
        self._sampler.rows[request_id] = row
        manager.register_result_handler(request_id, stream.deliver)
        finish_reason: FinishReason | None = None
        sent = 0
        try:
            manager.add_request(
                ids,
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
                yield Chunk(
                    new,
                    logprobs=scored or None,
                    finish_reason=finish_reason,
                    prompt_logprobs=row.prompt_logprobs,
                )
        finally:
            del self._streams[request_id], self._sampler.rows[request_id]
            if images and self._image_tokens is not None:
                self._image_tokens.release(images)
            manager.output_router.result_handlers.pop(request_id, None)
            if finish_reason is None:
                manager.cancel_request(request_id)

    async def embed(self, request: EmbedRequest) -> list[float]:
        if self._embedder is None:
            raise EngineDead(NOT_RUNNING)
        return await self._embedder.embed(request.token_ids)

    async def _read_ids(self, request: GenerateRequest) -> tuple[list[int], list["ImageRows"]]:
        """Returns the prompt as the network reads it, and the images that it holds."""
        ids, tokens = list(request.prompt_ids), self._image_tokens
        if request.images is None or tokens is None:
            return ids, []
        loop = asyncio.get_running_loop()
        encoded = await loop.run_in_executor(self._vision, tokens.encode, request.images)
        return tokens.hold(ids, encoded)

    def _check(self, prompt_tokens: int, max_tokens: int) -> None:
        """Refuse what would end the generation thread, and with it every other request."""
        if reason := self._dead():
            raise EngineDead(reason)
        if not 0 < prompt_tokens <= self._capacity - max_tokens:
            raise InvalidValue(
                f"the KV cache has room for {self._capacity} tokens, but not for a prompt of "
                f"{prompt_tokens} and an answer of up to {max_tokens}; lower max_tokens"
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
            return NOT_RUNNING
        status = self._manager.background_thread_status
        if status.fatal_error is not None:
            return f"transformers' generation thread died: {status.fatal_error!s:.{MAX_MESSAGE}}"
        refused: str | None = status.can_accept_new_requests()
        if refused or not self._manager.is_running():
            return "transformers' generation thread has ended"
        return ""

    async def load_adapter(self, adapter: Adapter) -> None:
        assert self._adapters is not None
        await asyncio.to_thread(self._adapters.load, adapter)

    async def unload_adapter(self, adapter: Adapter) -> None:
        assert self._adapters is not None
        self._adapters.unload(adapter)

    async def health(self) -> Health:
        if self._embedder is not None:
            return Health(True)
        if reason := self._dead():
            return Health(False, reason)
        cache = self._manager.batch_processor.cache
        free = cache.compute_free_capacity(relative=False)
        for allocator in cache.cache_allocators.values():
            free += len(allocator.ledger.cached_blocks) * allocator.bytes_per_block
        size = cache.num_sectors * cache.bytes_per_sector
        return Health(True, kv_cache_usage=max(0.0, 1 - free / size))

    async def _shut_down(self) -> None:
        if self._embedder is not None:
            embedder, self._embedder = self._embedder, None
            await embedder.close()
        if self._manager is not None:
            manager, self._manager = self._manager, None
            await asyncio.to_thread(manager.stop, timeout=self.stop_timeout, hard_stop=True)
        if self._watcher is not None:
            await self._watcher


Transformers = llm_service(TransformersEngine, name="Transformers")
