"""Whether a model fits: weights, KV cache and the rest, in the memory of one device.

On a GPU (common/plan/parallel.py says what each holds of the model; `gpus` share a layer):
    overhead = 1 GiB for CUDA's context, libraries and captured graphs
             + tokens of a forward pass x (2 x hidden + 2 x intermediate / gpus) numbers of the
               activations, for at most 8192 tokens
             + sequences x vocabulary float32 logits, also for each token that is drafted
             + what LoRA adapters take: max_adapter_rank rows of inputs and of outputs for each
               matrix of the layers, as often as there may be adapters; a stage has its layers' own
    room     = fraction x memory - weights - overhead, or
               fraction x (memory - weights - overhead), as the engine shares it, or kv_cache_gib
On a CPU the overhead is that of the process, 0.5 GiB instead of 1, and the room kv_cache_gib, 1
where it is left alone, or what the engine's own number of tokens takes: weights, overhead and room
have to fit in the machine's memory, of which each process that computes has an equal part.
"""

import math
from dataclasses import dataclass, replace

from common.models.facts import ModelFacts
from common.models.kv_cache import KVCache, kv_cache
from common.models.tensors import BYTES
from common.plan.devices import Device
from common.plan.options import LoadOptions
from common.plan.parallel import device_weights, mtp_bytes
from common.plan.tables import Table

GIB = 2**30
CONTEXT_BYTES = {"gpu": GIB, "cpu": GIB // 2, "unknown": GIB}
FORWARD_TOKENS = 8192
DEFAULT_FRACTION = 0.9
"""The default of the setting gpu_memory_utilization."""
LEAST_CONTEXT = 2048
"""Tokens: with room for fewer, weights do not fit."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes and tokens on each device; `weights` are those of a whole copy of the model. `drafts`
    are the weights, among both, of what drafts tokens, and `draft_cache` its KV cache. `adapters`
    are those of the overhead that LoRA adapters take. `budget` is
    there for weights and KV cache, `room` what is left for the cache; None where the device's
    memory is not known."""

    weights: int
    device_weights: int
    drafts: int
    adapters: int
    overhead: int
    cache: KVCache
    draft_cache: KVCache | None
    kv_dtype: str
    extra_per_token: int
    frees_windows: bool
    budget: int | None
    room: int | None

    @property
    def token_bytes(self) -> int:
        drafts = 0 if self.draft_cache is None else self.draft_cache.token_bytes(self.kv_dtype)
        return self.cache.token_bytes(self.kv_dtype) + drafts + self.extra_per_token

    def sequence_bytes(self, tokens: int) -> int:
        kept = sum(
            cache.sequence_bytes(tokens, self.kv_dtype, frees=self.frees_windows)
            for cache in (self.cache, self.draft_cache)
            if cache is not None
        )
        return kept + tokens * self.extra_per_token

    def longest(self) -> int:
        """Returns the tokens of the longest sequence that there is room for."""
        if self.room is None or self.room <= 0:
            return 0
        low, high = 0, self.room
        while low < high:
            middle = (low + high + 1) // 2
            if self.sequence_bytes(middle) <= self.room:
                low = middle
            else:
                high = middle - 1
        return low

    def hold(self, tokens: int) -> bool:
        """Returns whether a sequence of so many tokens fits; true where that cannot be judged."""
        return self.room is None or self.sequence_bytes(tokens) <= self.room


def measure(
    facts: ModelFacts,
    weights: int,
    table: Table,
    device: Device,
    options: LoadOptions,
    draft: ModelFacts | None = None,
    *,
    dtype: str,
    kv_dtype: str,
) -> Sizes:
    """Returns the sizes of a model whose weights take `weights` bytes as the engine holds them,
    beside those of the model that drafts for it.

    Raises NotUnderstood.
    """
    gpus = options.tensor_parallel_size
    cache = kv_cache(facts.config.text, gpus, expanded=table.expands_latent)
    split = device_weights(facts, weights, table, options)
    all_drafts, drafts, draft_cache = _drafts(facts, cache, table, options, draft, dtype)
    adapters = _adapters(facts, options, dtype)
    overhead = _overhead(facts, device, options, dtype) + adapters
    on_cpu = device.kind == "cpu"
    sizes = Sizes(
        weights=weights + all_drafts,
        device_weights=split + drafts,
        drafts=drafts,
        adapters=adapters,
        overhead=overhead,
        cache=cache.stage(options.pipeline_parallel_size),
        draft_cache=draft_cache,
        kv_dtype=kv_dtype,
        extra_per_token=table.cpu_numbers * BYTES[dtype] if on_cpu else 0,
        frees_windows=table.frees_windows,
        budget=None,
        room=None,
    )
    if device.memory is None:
        return sizes
    memory = device.memory // options.gpus if on_cpu else device.memory
    fraction = options.fraction or table.fraction or DEFAULT_FRACTION
    usable = memory if table.share == "of_free" or on_cpu else int(fraction * memory)
    budget = usable - overhead
    left = budget - split - drafts
    if on_cpu and table.cpu_kv_cache_tokens is not None:
        length = options.max_model_len or facts.config.context_length or 0
        room = min(left, max(table.cpu_kv_cache_tokens, length) * sizes.token_bytes)
    else:
        room = _room(table, options, left, fraction, on_cpu=on_cpu)
    return replace(sizes, budget=budget, room=room)


def _drafts(
    facts: ModelFacts,
    cache: KVCache,
    table: Table,
    options: LoadOptions,
    draft: ModelFacts | None,
    dtype: str,
) -> tuple[int, int, KVCache | None]:
    """Returns the weights of what drafts tokens, those on each device, and its cache there.

    Raises NotUnderstood.
    """
    speculative = options.speculative
    if speculative is None or speculative.method == "ngram":
        return 0, 0, None
    alone = replace(options, pipeline_parallel_size=1, data_parallel_size=1)
    if draft is None:
        layers = replace(cache, windows=(None,) * (facts.config.mtp_layers or 0))
        weights = mtp_bytes(facts, dtype)
        return weights, -(-weights // options.tensor_parallel_size), layers
    weights = draft.loaded_bytes(dtype)
    split = device_weights(draft, weights, table, alone)
    return weights, split, kv_cache(draft.config.text, options.tensor_parallel_size)


def _room(table: Table, options: LoadOptions, left: int, fraction: float, *, on_cpu: bool) -> int:
    """Returns the bytes of the KV cache; negative where the weights do not leave enough."""
    gib = options.kv_cache_gib or (table.cpu_kv_cache_gib if on_cpu else None)
    if gib is not None:
        size = int(gib * GIB)
        return size if size <= left else min(left - size, -1)
    return int(fraction * left) if table.share == "of_free" else left


def _overhead(facts: ModelFacts, device: Device, options: LoadOptions, dtype: str) -> int:
    config = facts.config.text
    length = options.max_model_len or facts.config.context_length or FORWARD_TOKENS
    tokens = min(FORWARD_TOKENS, length) if options.chunked_prefill else length
    hidden = int(config.get("hidden_size") or 0)
    experts = int(config.get("num_experts_per_tok") or 1)
    routed = int(config.get("moe_intermediate_size") or 0) * experts
    inner = max(int(config.get("intermediate_size") or 0), routed)
    numbers = 2 * hidden + 2 * inner // options.tensor_parallel_size
    checked = 1 + (0 if options.speculative is None else options.speculative.tokens)
    rows = options.max_concurrency * checked
    logits = rows * int(config.get("vocab_size") or 0) * BYTES["float32"]
    return CONTEXT_BYTES[device.kind] + tokens * numbers * BYTES[dtype] + logits


def _adapters(facts: ModelFacts, options: LoadOptions, dtype: str) -> int:
    """Returns the bytes that a GPU has for all adapters. Raises NotUnderstood."""
    if not options.adapter_slots:
        return 0
    matrices = (tensor.shape for tensor in facts.plain_tensors if tensor.kind == "linear")
    rows = sum(math.prod(shape[:-2]) * (shape[-2] + shape[-1]) for shape in matrices)
    numbers = options.adapter_slots * options.max_adapter_rank * rows
    return -(-numbers * BYTES[dtype] // options.pipeline_parallel_size)
