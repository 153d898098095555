"""How a model is divided between GPUs, and what drafts for it: whether the engine can, and what
each GPU then holds.

A copy of the model takes tensor_parallel_size x pipeline_parallel_size GPUs, and there are
data_parallel_size copies. Of a copy's layers each stage has an equal number, the first ones more
where that is no whole number. Stages differ in what they hold beside layers: the embedding is with
the first, the output matrix with the last, and all are counted as the fullest of them.
"""

import json
import math
import re
from collections.abc import Callable

from common.models.config import kv_heads
from common.models.errors import NotUnderstood
from common.models.facts import ModelFacts
from common.models.tensors import BYTES, Tensor
from common.plan.devices import Device
from common.plan.errors import Refused
from common.plan.options import LoadOptions
from common.plan.tables import Table, contains, merged
from common.speculative import WITH_MODEL

WHOLE = re.compile(r"(q_a_proj|kv_a_proj_with_mqa|mlp\.gate|block_sparse_moe\.gate)\.weight$")
"""Matrices that every GPU keeps whole."""
KEYS_VALUES = re.compile(r"(k_proj|v_proj)\.weight$")
LAYER = re.compile(r"(?:^|\.)(?:layers|h|blocks)\.(\d+)\.")
EXPERT = re.compile(r"\.experts\.")
GIB = 2**30


def check_parallel(
    facts: ModelFacts,
    table: Table,
    device: Device,
    options: LoadOptions,
    draft: ModelFacts | None = None,
) -> None:
    """Raises Refused for what the engine, the machine or the model does not have."""
    _check_engine(table, options)
    _check_device(device, options)
    _check_layers(facts, options)
    _check_heads(facts, options.tensor_parallel_size)
    _check_experts(facts, table, options)
    _check_drafts(facts, options, draft)


def _check_engine(table: Table, options: LoadOptions) -> None:
    plain = LoadOptions()
    for name in table.refuses:
        setting, _, method = name.partition("=")
        value, default = getattr(options, setting), getattr(plain, setting)
        if value != default and method in ("", getattr(value, "method", "")):
            raise Refused(f"{table.title} has no {setting}={value}; allowed is to leave it out")
    arguments = merged(table.engine_args, options.engine_args)
    for setting, needed in table.only_with.items():
        value, default = getattr(options, setting), getattr(plain, setting)
        if value != default and not contains(arguments, needed):
            raise Refused(
                f"{table.title} has no {setting}={value} without engine_args {json.dumps(needed)}"
            )


def _check_device(device: Device, options: LoadOptions) -> None:
    if device.kind == "gpu" and device.count is not None and options.gpus > device.count:
        raise Refused(
            f"{_sizes(options)}, and there is {device.count} x {device.name} here; allowed is at "
            f"most {device.count}"
        )
    if options.kv_offload is None:
        return
    if device.kind == "cpu":
        raise Refused("kv_offload is for KV cache that leaves a GPU, and there is no GPU here")
    if device.host_memory is not None and options.kv_offload * GIB > device.host_memory:
        raise Refused(
            f"kv_offload is {options.kv_offload:g} GiB, and this machine has "
            f"{device.host_memory / GIB:.1f} GiB of memory; allowed is less than that"
        )


def _sizes(options: LoadOptions) -> str:
    """Returns the factors of the number of GPUs, such as "tensor_parallel_size is 4"."""
    names = ("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size")
    factors = {name: getattr(options, name) for name in names if getattr(options, name) > 1}
    if len(factors) < 2:
        return "".join(f"{name} is {value}" for name, value in factors.items())
    return f"{' x '.join(factors)} is {' x '.join(map(str, factors.values()))} = {options.gpus}"


def _check_layers(facts: ModelFacts, options: LoadOptions) -> None:
    layers, stages = facts.config.layers, options.pipeline_parallel_size
    if layers is not None and stages > layers:
        raise Refused(
            f"pipeline_parallel_size is {stages}, and {facts.name} has {layers} layers; allowed is "
            "at most that"
        )


def _check_heads(facts: ModelFacts, gpus: int) -> None:
    heads = facts.config.heads
    if gpus == 1 or not heads:
        return
    shared = kv_heads(facts.config.text)
    if heads % gpus or (shared % gpus and gpus % shared):
        divisors = (n for n in range(1, heads + 1) if not heads % n)
        allowed = [n for n in divisors if not (shared % n and n % shared)]
        raise Refused(
            f"tensor_parallel_size {gpus} does not divide the {heads} attention heads and "
            f"{shared} key-value heads of {facts.name}; allowed are "
            f"{', '.join(map(str, allowed))}"
        )


def _check_experts(facts: ModelFacts, table: Table, options: LoadOptions) -> None:
    if not options.expert_parallel:
        return
    if not facts.config.experts:
        raise Refused(f"expert_parallel is for a model with experts, and {facts.name} has none")
    if _expert_gpus(table, options) == 1:
        raise Refused("expert_parallel has no effect on one GPU; allowed is to leave it out")


def _expert_gpus(table: Table, options: LoadOptions) -> int:
    """Returns among how many GPUs each layer's experts are divided."""
    copies = options.data_parallel_size if table.experts_across_copies else 1
    return options.tensor_parallel_size * copies


def _check_drafts(facts: ModelFacts, options: LoadOptions, draft: ModelFacts | None) -> None:
    speculative = options.speculative
    if speculative is None:
        return
    if speculative.method == "mtp" and not facts.config.mtp_layers:
        raise Refused(
            f"speculative={speculative} is for a model with layers that predict several tokens "
            f"(num_nextn_predict_layers), and {facts.name} has none"
        )
    if draft is None or speculative.method not in WITH_MODEL:
        return
    own, theirs = facts.config.vocab_size, draft.config.vocab_size
    if own is not None and theirs is not None and own != theirs:
        raise Refused(
            f"the draft model {draft.name} has a vocabulary of {theirs} tokens and {facts.name} "
            f"one of {own}; allowed is a draft model with the same"
        )


def device_weights(facts: ModelFacts, weights: int, table: Table, options: LoadOptions) -> int:
    """Returns the bytes of the weights on each GPU: matrices are split, the rest is on all GPUs of
    a stage."""
    stages, gpus = options.pipeline_parallel_size, options.tensor_parallel_size
    if options.gpus == 1:
        return weights
    try:
        tensors = facts.plain_tensors
    except NotUnderstood:
        return -(-weights // (gpus * stages))
    heads = kv_heads(facts.config.text) if facts.config.heads else gpus

    def parts(tensor: Tensor) -> int:
        if EXPERT.search(tensor.name):
            return _expert_gpus(table, options)
        if WHOLE.search(tensor.name):
            return 1
        return min(gpus, heads) if KEYS_VALUES.search(tensor.name) else gpus

    small = [tensor for tensor in tensors if len(tensor.shape) == 1]
    matrices = [tensor for tensor in tensors if len(tensor.shape) > 1]
    total = sum(tensor.elements for tensor in matrices) or 1
    held = _fullest_stage(facts, matrices, stages, lambda each: each.elements / parts(each))
    rest = _fullest_stage(facts, small, stages, lambda each: each.size)
    return int(rest) + int((weights - sum(each.size for each in small)) * held / total)


def _fullest_stage(
    facts: ModelFacts, tensors: list[Tensor], stages: int, size: Callable[[Tensor], float]
) -> float:
    """Returns what the fullest stage holds of `tensors`, which have a `size` each."""
    if stages == 1:
        return sum(map(size, tensors))
    layers = facts.config.layers or 1
    inside = [tensor for tensor in tensors if LAYER.search(tensor.name)]
    outside = [size(tensor) for tensor in tensors if not LAYER.search(tensor.name)]
    share = math.ceil(layers / stages) / layers
    return sum(map(size, inside)) * share + max(outside, default=0.0)


def mtp_bytes(facts: ModelFacts, dtype: str) -> int:
    """Returns the bytes of the layers that predict further tokens where only the config is known;
    the files of a model have them among the others.

    Each is a layer like the last one with a matrix from two hidden vectors to one (DeepSeek-V3,
    arXiv 2412.19437, section 2.2). Raises NotUnderstood.
    """
    if facts.tensors is not None:
        return 0
    layers, hidden = facts.config.layers or 0, int(facts.config.text.get("hidden_size") or 0)
    layered = ((LAYER.search(each.name), each.elements) for each in facts.plain_tensors)
    elements = sum(count for match, count in layered if match and int(match[1]) == layers - 1)
    return (facts.config.mtp_layers or 0) * (elements + 2 * hidden * hidden) * BYTES[dtype]
