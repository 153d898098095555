"""Vectors of texts: one forward pass over those that wait together, in a thread."""

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from transformers import AutoModel
from transformers.utils.logging import disable_progress_bar

from common.errors import InternalError, StartError
from common.messages import first_line
from common.models.embedding import Pooling
from common.models.model import Model
from common.settings import Settings
from services._transformers.loading import check_whole, model_options

BATCH_TOKENS = 16_384
"""Of one forward pass, padding counted: more take longer without being faster for each text."""
WITHOUT_CACHE = ("engine_args", "kv_cache_gib", "kv_offload", "prefix_caching")
"""Settings of continuous batching, which generates."""
POOLER = "pooler."
"""Weights of a part behind the tokens' vectors, which is not used and which many files lack."""

Waiting = tuple[Sequence[int], asyncio.Future[list[float]]]


class Embedder:
    """Pools the last hidden states of a model's tokens."""

    def __init__(self, settings: Settings, model: Model) -> None:
        """Loads the model. Raises StartError."""
        for name in WITHOUT_CACHE:
            if name in settings.changed:
                raise StartError(f"setting {name!r} has no effect where Transformers embeds")
        options = model_options(settings, model)
        disable_progress_bar()
        try:
            network, loaded = AutoModel.from_pretrained(
                model.path, output_loading_info=True, ignore_mismatched_sizes=True, **options
            )
            missing = {name for name in loaded["missing_keys"] if not name.startswith(POOLER)}
            check_whole({**loaded, "missing_keys": missing})
            if "device_map" not in options and torch.cuda.is_available():
                network = network.to("cuda")
        except Exception as error:
            raise StartError(f"transformers cannot load the model: {first_line(error)}") from error
        network.config.use_cache = False
        self._network: Any = network.eval()
        self._pooling: Pooling = model.embedding.pooling
        self._padding = network.config.pad_token_id or 0
        self._thread = ThreadPoolExecutor(1, "embed")
        self._waiting: deque[Waiting] = deque()
        self._running: asyncio.Task[None] | None = None

    async def embed(self, token_ids: Sequence[int]) -> list[float]:
        """Returns the vector of one text; cancelled while it waits, it is never computed."""
        future: asyncio.Future[list[float]] = asyncio.get_running_loop().create_future()
        self._waiting.append((token_ids, future))
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        return await future

    async def close(self) -> None:
        """Return when nothing is computed any more."""
        for _, future in self._waiting:
            future.cancel()
        if self._running is not None:
            await self._running
        self._thread.shutdown(wait=False)

    async def _run(self) -> None:
        """Compute batch by batch until none waits."""
        loop = asyncio.get_running_loop()
        while batch := self._next_batch():
            texts = [token_ids for token_ids, _ in batch]
            try:
                vectors = await loop.run_in_executor(self._thread, self._forward, texts)
            except Exception as error:
                for _, future in batch:
                    if not future.done():
                        future.set_exception(InternalError(f"transformers: {first_line(error)}"))
                continue
            for (_, future), vector in zip(batch, vectors, strict=True):
                if not future.done():
                    future.set_result(vector)

    def _next_batch(self) -> list[Waiting]:
        """Takes as many as fit from the queue, at least one, without those that were cancelled."""
        batch: list[Waiting] = []
        width = 0
        while self._waiting:
            ids, future = self._waiting[0]
            width = max(width, len(ids))
            if batch and width * (len(batch) + 1) > BATCH_TOKENS:
                break
            self._waiting.popleft()
            if not future.done():
                batch.append((ids, future))
        return batch

    def _forward(self, texts: Sequence[Sequence[int]]) -> list[list[float]]:
        """Padding stands behind the texts, where no token that counts looks at it."""
        lengths = torch.tensor([len(ids) for ids in texts])
        ids = torch.full((len(texts), int(lengths.max())), self._padding)
        for row, each in zip(ids, texts, strict=True):
            row[: len(each)] = torch.tensor(each)
        mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
        device = self._network.device
        with torch.inference_mode():
            states = self._network(
                input_ids=ids.to(device), attention_mask=mask.to(device)
            ).last_hidden_state.float()
            vectors = self._pool(states, mask.to(device), lengths.to(device))
        rows: list[list[float]] = vectors.tolist()
        return rows

    def _pool(self, states: Any, mask: Any, lengths: Any) -> Any:
        """Returns a row for each text; `states` are those of its tokens."""
        if self._pooling == "cls":
            return states[:, 0]
        if self._pooling == "last":
            return states[torch.arange(len(states)), lengths - 1]
        return (states * mask[:, :, None]).sum(1) / lengths[:, None]
