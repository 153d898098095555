"""Whether a model fits: weights, KV cache and the rest, in the memory of one device.

On a GPU (each of `gpus` holds its part):
    overhead = 1 GiB for CUDA's context, libraries and captured graphs
             + tokens of a forward pass x (2 x hidden + 2 x intermediate / gpus) numbers of the
               activations, for at most 8192 tokens
             + sequences x vocabulary float32 logits
    room     = fraction x memory - weights - overhead, or
               fraction x (memory - weights - overhead), as the engine shares it, or kv_cache_gib
On a CPU the overhead is that of the process, 0.5 GiB instead of 1, and the room kv_cache_gib, 1
where it is left alone: weights, overhead and room have to fit in the machine's memory.
"""

import re
from dataclasses import dataclass

from common.models.config import kv_heads
from common.models.errors import NotUnderstood
from common.models.facts import ModelFacts
from common.models.kv_cache import KVCache, kv_cache
from common.models.tensors import BYTES, Tensor
from common.plan.devices import Device
from common.plan.errors import Refused
from common.plan.options import LoadOptions
from common.plan.tables import Table

GIB = 2**30
CONTEXT_BYTES = {"gpu": GIB, "cpu": GIB // 2, "unknown": GIB}
FORWARD_TOKENS = 8192
DEFAULT_FRACTION = 0.9
"""The default of the setting gpu_memory_utilization."""
LEAST_CONTEXT = 2048
"""Tokens: with room for fewer, weights do not fit."""
WHOLE = re.compile(r"(q_a_proj|kv_a_proj_with_mqa|mlp\.gate|block_sparse_moe\.gate)\.weight$")
"""Matrices that every GPU keeps whole."""
KEYS_VALUES = re.compile(r"(k_proj|v_proj)\.weight$")


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes and tokens on each device; `weights` are those of all devices. `budget` is there for
    weights and KV cache, `room` what is left for the cache; None where the device's memory is not
    known."""

    weights: int
    device_weights: int
    overhead: int
    cache: KVCache
    kv_dtype: str
    extra_per_token: int
    frees_windows: bool
    budget: int | None
    room: int | None

    @property
    def token_bytes(self) -> int:
        return self.cache.token_bytes(self.kv_dtype) + self.extra_per_token

    def sequence_bytes(self, tokens: int) -> int:
        kept = self.cache.sequence_bytes(tokens, self.kv_dtype, frees=self.frees_windows)
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
    *,
    dtype: str,
    kv_dtype: str,
) -> Sizes:
    """Returns the sizes of a model whose weights take `weights` bytes as the engine holds them.

    Raises NotUnderstood.
    """
    gpus = options.tensor_parallel_size
    cache = kv_cache(facts.config.text, gpus, expanded=table.expands_latent)
    split = device_weights(facts, weights, gpus)
    overhead = _overhead(facts, device, options, dtype)
    on_cpu = device.kind == "cpu"
    extra = table.cpu_numbers * BYTES[dtype] if on_cpu else 0
    memory = device.memory
    budget = room = None
    if memory is not None:
        fraction = options.fraction or table.fraction or DEFAULT_FRACTION
        usable = memory if table.share == "of_free" or on_cpu else int(fraction * memory)
        budget = usable - overhead
        room = _room(table, options, budget - split, fraction, on_cpu=on_cpu)
    return Sizes(
        weights, split, overhead, cache, kv_dtype, extra, table.frees_windows, budget, room
    )


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
    logits = options.max_concurrency * int(config.get("vocab_size") or 0) * BYTES["float32"]
    return CONTEXT_BYTES[device.kind] + tokens * numbers * BYTES[dtype] + logits


def device_weights(facts: ModelFacts, weights: int, gpus: int) -> int:
    """Returns the bytes of the weights on each of `gpus`: matrices are split, the rest is on all
    of them."""
    if gpus == 1:
        return weights
    try:
        tensors = facts.plain_tensors
    except NotUnderstood:
        return -(-weights // gpus)
    small = sum(tensor.size for tensor in tensors if len(tensor.shape) == 1)
    matrices = [tensor for tensor in tensors if len(tensor.shape) > 1]
    total = sum(tensor.elements for tensor in matrices) or 1
    heads = kv_heads(facts.config.text) if facts.config.heads else gpus
    split = sum(tensor.elements / _parts(tensor, gpus, heads) for tensor in matrices)
    return small + int((weights - small) * split / total)


def _parts(tensor: Tensor, gpus: int, heads: int) -> int:
    """Returns among how many GPUs a matrix is split."""
    if WHOLE.search(tensor.name):
        return 1
    return min(gpus, heads) if KEYS_VALUES.search(tensor.name) else gpus


def check_split(facts: ModelFacts, table: Table, device: Device, gpus: int) -> None:
    """Raises Refused where the engine cannot split the model between so many GPUs."""
    if device.count is not None and gpus > device.count:
        where = f"{device.count} x {device.name} here" if device.kind == "gpu" else "no GPU here"
        raise Refused(
            f"tensor_parallel_size is {gpus}, and there is {where}; allowed is at most "
            f"{max(1, device.count)}"
        )
    heads = facts.config.heads
    if gpus == 1 or not heads:
        return
    if not table.splits:
        raise Refused(f"{table.title} runs on one device; allowed is tensor_parallel_size=1")
    shared = kv_heads(facts.config.text)
    if heads % gpus or (shared % gpus and gpus % shared):
        divisors = (n for n in range(1, heads + 1) if not heads % n)
        allowed = [n for n in divisors if not (shared % n and n % shared)]
        raise Refused(
            f"tensor_parallel_size {gpus} does not divide the {heads} attention heads and "
            f"{shared} key-value heads of {facts.name}; allowed are "
            f"{', '.join(map(str, allowed))}"
        )
