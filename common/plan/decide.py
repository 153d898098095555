"""One plan for a model on an engine and a device, or a refusal that says what would work."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from common.plan import explanations
from common.plan.choice import (
    SchemeChoice,
    cache_row,
    check_row,
    engine_arguments,
    named_rows,
    stored_choice,
)
from common.plan.errors import Refused
from common.plan.inputs import PlanInputs
from common.plan.options import AUTO
from common.plan.parallel import check_parallel
from common.plan.reason import reason as reason_of
from common.plan.sizes import GIB, LEAST_CONTEXT, Sizes, measure
from common.plan.tables import CacheRow, SchemeRow, fill, given

GENERIC = ("none", "awq", "fp8", "int8", "bitsandbytes")
"""Names of ours that a table has among an engine's."""


@dataclass(frozen=True)
class Plan:
    """Sizes are in bytes. `weight_bytes` are all weights of a copy of the model; what follows is of
    each device: `memory_bytes` the weights, the overhead and the KV cache together. `kv_tokens` and
    `sequences` are those of all copies, `host_bytes` what leaves the KV cache for the machine's
    memory. What depends on a device of unknown memory, or on an unknown kind of cache, is None.

    `engine_name` is the engine's own name of the scheme, None where the checkpoint says it.
    `build` is the command that has to be run first, None where nothing has to be compiled.
    """

    backend: str
    model: str
    device: str
    checkpoint: str
    artifact: str | None
    scheme: str
    engine_name: str | None
    arguments: dict[str, Any]
    dtype: str
    kv_cache_dtype: str
    max_model_len: int | None
    build: str | None
    reason: str
    gpus: int = 1
    host_bytes: int = 0
    weight_bytes: int | None = None
    device_weight_bytes: int | None = None
    overhead_bytes: int | None = None
    kv_bytes_per_token: int | None = None
    kv_bytes: int | None = None
    kv_tokens: int | None = None
    sequences: int | None = None
    memory_bytes: int | None = None


def decide(inputs: PlanInputs) -> Plan:
    """Raises Refused; NotUnderstood where the model's memory cannot be counted."""
    facts, table, device, options = inputs.facts, inputs.table, inputs.device, inputs.options
    if device.kind == "cpu" and not table.cpu:
        raise Refused(f"{table.title} is planned for GPUs only; name one, such as --gpu l4")
    check_parallel(facts, table, device, options, inputs.draft)
    _check_length(inputs)
    cache = cache_row(table, device, options)
    if facts.quantization.scheme != "none":
        return _plan(inputs, stored_choice(facts, table, device, options), cache)
    if options.quantization != AUTO:
        return _plan(inputs, _named_choice(inputs), cache)
    return _automatic(inputs, cache)


def _check_length(inputs: PlanInputs) -> None:
    asked, limit = inputs.options.max_model_len, inputs.facts.config.longest_context
    if asked is not None and limit is not None and asked > limit:
        raise Refused(
            f"max_model_len {asked} is more than the {limit} tokens of {inputs.facts.name}; "
            f"allowed is at most {limit}"
        )


def choose(inputs: PlanInputs) -> Plan:
    """Makes a plan without sizes, for a model whose memory cannot be counted. Raises Refused."""
    facts, table, device, options = inputs.facts, inputs.table, inputs.device, inputs.options
    cache = cache_row(table, device, options)
    if facts.quantization.scheme != "none":
        choice = stored_choice(facts, table, device, options)
    elif options.quantization == AUTO:
        choice = _plain(inputs)
    else:
        choice = _named_choice(inputs)
    return _as_plan(inputs, choice, cache, inputs.dtype(choice), None, "its size is not known")


def _plain(inputs: PlanInputs) -> SchemeChoice:
    row = named_rows("none", inputs.table, inputs.options)[0]
    return SchemeChoice(row, inputs.facts, "none", row.engine)


def _named_choice(inputs: PlanInputs) -> SchemeChoice:
    """Chooses for plain weights and a named scheme. Raises Refused."""
    facts, table, device, options = inputs.facts, inputs.table, inputs.device, inputs.options
    asked = options.quantization
    if asked == "none":
        plain = _plain(inputs)
        check_row(plain.row, facts, table, device, options)
        return plain
    rows = named_rows(asked, table, options)
    refused: Refused | None = None
    possible: list[SchemeRow] = []
    for row in rows:
        if row.how == "never":
            raise Refused(explanations.never(row, facts))
        try:
            check_row(row, facts, table, device, options)
        except Refused as error:
            refused = refused or error
            continue
        if row.how == "loading" or (row.how == "build" and row.from_plain):
            own = asked in row.aliases and asked not in GENERIC
            return SchemeChoice(row, facts, row.name, asked if own else row.engine)
        possible.append(row)
    built = _built_choice(inputs, rows)
    if built is not None:
        return built
    if refused is not None and not possible:
        raise refused
    raise Refused(explanations.checkpoint_needed(facts, asked, possible, inputs.dtype()))


def _built_choice(inputs: PlanInputs, rows: Sequence[SchemeRow]) -> SchemeChoice | None:
    """Returns the newest checkpoint of the store that is what the user asks for and that can be
    loaded here."""
    options = inputs.options
    for scheme in explanations.built_schemes(options.quantization, rows):
        for built in inputs.checkpoints(scheme):
            if not any(built.facts.quantization.format in row.formats for row in rows):
                continue
            automatic = replace(options, quantization=AUTO)
            with suppress(Refused):
                choice = stored_choice(built.facts, inputs.table, inputs.device, automatic)
                return replace(choice, built=built)
    return None


def _automatic(inputs: PlanInputs, cache: CacheRow | None) -> Plan:
    """Takes plain weights where they fit; else the engine's own 4 bits, else AWQ from the store."""
    facts, table, device, options = inputs.facts, inputs.table, inputs.device, inputs.options
    plain, dtype = _plain(inputs), inputs.dtype()
    check_row(plain.row, facts, table, device, options)
    sizes = _measure(inputs, plain, cache, dtype)
    if _weights_fit(inputs, sizes):
        return _fitting(inputs, plain, cache, dtype, sizes)
    if table.own_4bit is not None:
        row = named_rows(table.own_4bit, table, options)[0]
        try:
            check_row(row, facts, table, device, options)
            choice = SchemeChoice(row, facts, row.name, row.engine)
            smaller = _measure(inputs, choice, cache, inputs.dtype(choice))
            if _weights_fit(inputs, smaller):
                return _fitting(inputs, choice, cache, inputs.dtype(choice), smaller)
        except Refused as error:
            raise Refused(f"{explanations.too_large(inputs, plain, sizes)}; {error}") from None
        raise Refused(explanations.nothing_fits(inputs, plain, sizes, smaller))
    awq = replace(inputs, options=replace(options, quantization="awq"))
    built = _built_choice(awq, table.schemes)
    if built is not None:
        return _plan(inputs, built, cache)
    raise Refused(explanations.four_bits(inputs, plain, sizes, dtype))


def _measure(inputs: PlanInputs, choice: SchemeChoice, cache: CacheRow | None, dtype: str) -> Sizes:
    facts, options, row = choice.facts, inputs.options, choice.row
    weights = explanations.weights(facts, row, dtype)
    device = inputs.device
    if any(given(options.engine_args, name) for name in inputs.table.not_judged):
        device = replace(device, memory=None)
    kv_dtype = inputs.cache_dtype(cache, dtype)
    draft = inputs.draft
    return measure(
        facts, weights, inputs.table, device, options, draft, dtype=dtype, kv_dtype=kv_dtype
    )


def _weights_fit(inputs: PlanInputs, sizes: Sizes) -> bool:
    """Weights that leave no room for even a short context do not."""
    return sizes.hold(inputs.least_length)


def _plan(inputs: PlanInputs, choice: SchemeChoice, cache: CacheRow | None) -> Plan:
    """Raises Refused where it does not fit."""
    dtype = inputs.dtype(choice)
    sizes = _measure(inputs, choice, cache, dtype)
    if not _weights_fit(inputs, sizes):
        raise Refused(explanations.no_room(inputs, choice, sizes, dtype))
    return _fitting(inputs, choice, cache, dtype, sizes)


def _fitting(
    inputs: PlanInputs, choice: SchemeChoice, cache: CacheRow | None, dtype: str, sizes: Sizes
) -> Plan:
    """Raises Refused where the weights fit and the context does not."""
    length = inputs.length
    if length is not None and not sizes.hold(length):
        raise Refused(explanations.shorter(inputs, choice, sizes, length, cache))
    reason = reason_of(inputs, choice, sizes)
    return _as_plan(inputs, choice, cache, dtype, sizes, reason)


def _as_plan(
    inputs: PlanInputs,
    choice: SchemeChoice,
    cache: CacheRow | None,
    dtype: str,
    sizes: Sizes | None,
    reason: str,
) -> Plan:
    facts, row, built = inputs.facts, choice.row, choice.built
    gpus = inputs.options.gpus
    build = fill(row.build, facts.name) if row.how == "build" and row.build else None
    plan: dict[str, Any] = {
        "backend": inputs.table.name,
        "model": facts.name,
        "device": inputs.device.name if gpus == 1 else f"{gpus} x {inputs.device.name}",
        "checkpoint": facts.name if built is None else built.checkpoint,
        "artifact": None if built is None else built.tag,
        "scheme": choice.scheme,
        "engine_name": (
            None if choice.scheme == "none" and row.how != "build" else choice.engine_name
        ),
        "arguments": dict(engine_arguments(choice, cache)),
        "dtype": dtype,
        "kv_cache_dtype": inputs.cache_dtype(cache, dtype),
        "max_model_len": inputs.length,
        "build": build,
        "reason": reason,
        "gpus": 0 if inputs.device.kind == "cpu" else gpus,
        "host_bytes": int((inputs.options.kv_offload or 0) * GIB),
    }
    return Plan(**plan, **({} if sizes is None else _numbers(inputs, sizes)))


def _numbers(inputs: PlanInputs, sizes: Sizes) -> dict[str, Any]:
    numbers: dict[str, Any] = {
        "weight_bytes": sizes.weights,
        "device_weight_bytes": sizes.device_weights,
        "overhead_bytes": sizes.overhead,
        "kv_bytes_per_token": sizes.token_bytes,
    }
    if sizes.room is None:
        return numbers
    length = inputs.length or LEAST_CONTEXT
    sequence, copies = sizes.sequence_bytes(length), inputs.options.data_parallel_size
    return {
        **numbers,
        "kv_bytes": sizes.room,
        "kv_tokens": sizes.room * length // sequence * copies,
        "sequences": sizes.room // sequence * copies,
        "memory_bytes": sizes.device_weights + sizes.overhead + sizes.room,
    }
