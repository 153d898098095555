"""The sentences of a plan and of its refusals, with what would work instead."""

from collections.abc import Sequence
from dataclasses import replace

from common.models.errors import NotUnderstood
from common.models.facts import ModelFacts
from common.models.formats import formats
from common.models.quantizable import not_quantizable
from common.models.quantization import USUAL_GROUP
from common.models.tensors import BYTES
from common.plan.choice import SchemeChoice, active_rows, check_row
from common.plan.errors import Refused
from common.plan.inputs import PlanInputs
from common.plan.options import LoadOptions
from common.plan.parallel import check_parallel
from common.plan.reason import gib
from common.plan.sizes import Sizes, measure
from common.plan.tables import CacheRow, SchemeRow, fill

GIB = 2**30
BUILT_AS = "awq"
"""The scheme of checkpoints that build_scripts makes in 4 bits."""
GROUPED = ("awq", "gptq")
"""Schemes of build_scripts with a scale for each group of USUAL_GROUP columns."""
AUTOAWQ = ("autoawq-gemm",)
"""Formats of checkpoints that AutoAWQ makes for it."""
MORE_GPUS = (2, 4, 8, 16)
CONTEXT_STEP = 16


def weights(facts: ModelFacts, row: SchemeRow, dtype: str) -> int:
    """Returns the bytes that the engine holds. Raises NotUnderstood."""
    if facts.quantization.format in row.formats:
        return facts.plain_bytes(dtype) if row.expands else facts.loaded_bytes(dtype)
    if row.format == "plain":
        return facts.loaded_bytes(dtype)
    scheme = row.name if row.name in formats()[row.format].schemes else _first_scheme(row.format)
    return facts.predict(scheme, row.format, dtype)


def _first_scheme(form: str) -> str:
    return formats()[form].schemes[0]


def built_schemes(asked: str, rows: Sequence[SchemeRow]) -> tuple[str, ...]:
    """Returns what builders make of what the user asks for: that scheme, or all of theirs."""
    schemes = dict.fromkeys(scheme for row in rows for scheme in row.makes)
    return (asked,) if asked in schemes else tuple(schemes)


def never(row: SchemeRow, facts: ModelFacts) -> str:
    return f"{row.refusal}; {fill(row.instead or 'plain weights would work', facts.name)}"


def checkpoint_needed(facts: ModelFacts, asked: str, rows: Sequence[SchemeRow], dtype: str) -> str:
    """Says how to come by a checkpoint, for plain weights and a scheme that has to be in one."""
    row = next((row for row in rows if row.makes), rows[0])
    if row.refusal or row.instead:
        what = row.refusal or f"{asked} weights are not made while loading"
        return f"{what}; {fill(row.instead or '', facts.name)}"
    what = (
        f"quantization {asked!r} needs a checkpoint that is quantized so, and {facts.name} is not"
    )
    if not row.makes:
        return f"{what}; give one whose config.json says so"
    reasons = []
    for each in (each for each in rows if each.makes):
        scheme = asked if asked in each.makes else next(iter(each.makes))
        reason = cannot_make(facts, each, scheme)
        if reason is None:
            size = predicted(facts, each, dtype)
            takes = "" if size is None else f" of {gib(size)}"
            return f"{what}; make one{takes}: {fill(each.makes[scheme], facts.name)}"
        reasons.append(reason)
    return f"{what}, and none is made here: {reasons[0]}"


def cannot_make(facts: ModelFacts, row: SchemeRow, scheme: str) -> str | None:
    """Returns why the command by which a row makes a scheme refuses the model, None if it takes
    it."""
    grouped = scheme in GROUPED
    return not_quantizable(
        facts, group_size=USUAL_GROUP if grouped else None, autoawq=row.formats[0] in AUTOAWQ
    )


def predicted(facts: ModelFacts, row: SchemeRow, dtype: str) -> int | None:
    """Returns the bytes of the checkpoint that a row's commands make, None where not known."""
    form = next((name for name in row.formats if name in formats()), None)
    if form is None:
        return None
    try:
        return facts.predict(_first_scheme(form), form, dtype)
    except NotUnderstood:
        return None


def too_large(inputs: PlanInputs, choice: SchemeChoice, sizes: Sizes) -> str:
    """Says what does not fit, without what would."""
    quality = "unquantized" if choice.scheme == "none" else f"as {choice.scheme}"
    left = max(0, sizes.budget or 0)
    several = inputs.options.gpus
    on = f"{several} x {inputs.device.name}" if several > 1 else inputs.device.name
    each = " on each" if several > 1 else ""
    room = sizes.sequence_bytes(inputs.least_length)
    return (
        f"{inputs.facts.name} does not fit on {on} with {inputs.table.title}: its weights take "
        f"{gib(sizes.device_weights)} {quality}{each}, and {gib(left)} is left for them and for at "
        f"least {gib(room)} of KV cache"
    )


def four_bits(inputs: PlanInputs, choice: SchemeChoice, sizes: Sizes, dtype: str) -> str:
    """Says what to do where plain weights do not fit and no AWQ checkpoint was built of them."""
    head = too_large(inputs, choice, sizes)
    tried: list[str] = []
    for row in active_rows(inputs.table, inputs.options):
        offer = _four_bit_offer(inputs, row, dtype)
        if offer is None:
            continue
        name, size, advice = offer
        if _with_weights(inputs, size, sizes, dtype).hold(inputs.least_length):
            return f"{head}; {name} weights would take {gib(size)} and fit: {advice}"
        tried.append(f"{gib(size)} as {name}")
    nor = f"; nor do {tried[0]}" if tried else ""
    return f"{head}{nor}; {more_gpus(inputs, sizes, dtype)}"


def _four_bit_offer(inputs: PlanInputs, row: SchemeRow, dtype: str) -> tuple[str, int, str] | None:
    """Returns the scheme, its bytes and what to do for it, of a row that gives 4 bits here."""
    facts = inputs.facts
    command = row.makes.get(BUILT_AS)
    quantizes = row.how == "loading" and row.format in formats() and formats()[row.format].bits == 4
    if row.expands or not (command or quantizes):
        return None
    if command and cannot_make(facts, row, BUILT_AS) is not None:
        return None
    try:
        check_row(row, facts, inputs.table, inputs.device, inputs.options)
        size = predicted(facts, row, dtype) if command else weights(facts, row, dtype)
    except (Refused, NotUnderstood):
        return None
    if size is None:
        return None
    if command:
        return BUILT_AS.upper(), size, fill(command, facts.name)
    return row.name, size, f"set quantization={row.name}"


def nothing_fits(inputs: PlanInputs, choice: SchemeChoice, sizes: Sizes, own: Sizes) -> str:
    head = too_large(inputs, choice, sizes)
    more = more_gpus(inputs, own, inputs.dtype())
    return f"{head}; nor do {gib(own.weights)} as {inputs.table.own_4bit}; {more}"


def no_room(inputs: PlanInputs, choice: SchemeChoice, sizes: Sizes, dtype: str) -> str:
    """Says what would fit, for a scheme that was asked for or that the checkpoint has."""
    return f"{too_large(inputs, choice, sizes)}; {more_gpus(inputs, sizes, dtype)}"


def more_gpus(inputs: PlanInputs, sizes: Sizes, dtype: str) -> str:
    """Says on how few GPUs of this kind these weights fit."""
    device = replace(inputs.device, count=None)
    for gpus in MORE_GPUS if device.kind == "gpu" else ():
        if gpus <= inputs.options.tensor_parallel_size:
            continue
        options = replace(inputs.options, tensor_parallel_size=gpus)
        larger = replace(inputs, options=options, device=device)
        try:
            check_parallel(inputs.facts, inputs.table, device, options, inputs.draft)
        except Refused:
            continue
        if _with_weights(larger, sizes.weights, sizes, dtype).hold(inputs.least_length):
            return f"tensor_parallel_size={gpus} on {_many(options)} of them would fit"
    return "a larger device, or a smaller model, would fit"


def _many(options: LoadOptions) -> str:
    alone = options.gpus == options.tensor_parallel_size
    return "as many" if alone else str(options.gpus)


def _with_weights(inputs: PlanInputs, size: int, sizes: Sizes, dtype: str) -> Sizes:
    return measure(
        inputs.facts,
        size,
        inputs.table,
        inputs.device,
        inputs.options,
        inputs.draft,
        dtype=dtype,
        kv_dtype=sizes.kv_dtype,
    )


def shorter(
    inputs: PlanInputs,
    choice: SchemeChoice,
    sizes: Sizes,
    length: int,
    cache: CacheRow | None,
) -> str:
    """Says which context fits, where the weights do and one of `length` tokens does not."""
    longest = sizes.longest() // CONTEXT_STEP * CONTEXT_STEP
    room = max(0, sizes.room or 0)
    what = (
        f"the weights of {inputs.facts.name} fit on {inputs.device.name} with "
        f"{inputs.table.title} ({gib(sizes.device_weights)}), but its KV cache of {gib(room)} "
        f"holds {longest} tokens and max_model_len is {length}; set max_model_len={longest}"
    )
    if inputs.device.kind == "cpu" and inputs.table.cpu_kv_cache_tokens is None:
        what += f", or kv_cache_gib={-(-sizes.sequence_bytes(length) // GIB)}"
    if cache is None and (row := _smaller_cache(inputs)) is not None:
        quantized = replace(sizes, kv_dtype=row.name)
        tokens = quantized.longest() // CONTEXT_STEP * CONTEXT_STEP
        enough = "" if tokens >= length else f" and max_model_len={tokens}"
        what += f", or kv_cache_dtype={row.name}{enough}"
    return what


def _smaller_cache(inputs: PlanInputs) -> CacheRow | None:
    """Returns the first that the engine has on this device."""
    device, table = inputs.device, inputs.table
    for row in table.caches:
        fits = device.compute_capability is None or device.compute_capability >= row.minimum
        here = row.cpu if device.kind == "cpu" else fits
        if here and table.active(row, inputs.options.engine_args) and BYTES[inputs.dtype()] > 1:
            return row
    return None
