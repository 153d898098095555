"""The sentences of a plan and of its refusals, with what would work instead."""

from collections.abc import Sequence
from dataclasses import replace

from common.models.errors import NotUnderstood
from common.models.facts import ModelFacts
from common.models.formats import formats
from common.models.tensors import BYTES
from common.plan.choice import SchemeChoice, active_rows, check_row
from common.plan.errors import Refused
from common.plan.inputs import PlanInputs
from common.plan.sizes import Sizes, check_split, measure
from common.plan.tables import CacheRow, SchemeRow, fill

GIB = 2**30
MIB = 2**20
BUILT_AS = "awq"
"""The scheme of checkpoints that build_scripts makes in 4 bits."""
MORE_GPUS = (2, 4, 8, 16)
CONTEXT_STEP = 16


def gib(size: int) -> str:
    """Returns a size in GiB, a small one in MiB."""
    return f"{size / GIB:.1f} GiB" if size >= GIB // 10 else f"{size / MIB:.1f} MiB"


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
    size = predicted(facts, row, dtype)
    takes = "" if size is None else f" of {gib(size)}"
    command = row.makes.get(asked) or next(iter(row.makes.values()))
    return f"{what}; make one{takes}: {fill(command, facts.name)}"


def predicted(facts: ModelFacts, row: SchemeRow, dtype: str) -> int | None:
    """Returns the bytes of the checkpoint that a row's commands make, None where not known."""
    form = next((name for name in row.formats if name in formats()), None)
    if form is None:
        return None
    try:
        return facts.predict(_first_scheme(form), form, dtype)
    except NotUnderstood:
        return None


def reason(inputs: PlanInputs, choice: SchemeChoice, sizes: Sizes) -> str:
    """Says why this plan is taken, in one sentence."""
    how = _how(choice)
    what = f"{how}: {gib(sizes.weights)} of weights"
    if inputs.options.tensor_parallel_size > 1:
        what += f", {gib(sizes.device_weights)} on each of {inputs.options.tensor_parallel_size}"
    if sizes.room is None:
        return f"{what}; the memory of {inputs.device.name} is not known, so the fit is not judged"
    tokens = sizes.room // sizes.token_bytes
    return (
        f"{what} fit on {inputs.device.name}, beside them {gib(sizes.room)} of KV cache for "
        f"{tokens} tokens in {sizes.kv_dtype}"
    )


def _how(choice: SchemeChoice) -> str:
    if choice.built is not None:
        return f"{choice.scheme}, the checkpoint {choice.built.tag} built from this model"
    if choice.stored:
        return f"{choice.scheme}, as the checkpoint is ({choice.facts.quantization})"
    if choice.scheme == "none":
        return "unquantized"
    return f"{choice.scheme}, {'compiled' if choice.row.how == 'build' else 'made while loading'}"


def too_large(inputs: PlanInputs, choice: SchemeChoice, sizes: Sizes) -> str:
    """Says what does not fit, without what would."""
    quality = "unquantized" if choice.scheme == "none" else f"as {choice.scheme}"
    left = max(0, sizes.budget or 0)
    several = inputs.options.tensor_parallel_size
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
            check_split(inputs.facts, inputs.table, device, gpus)
        except Refused:
            continue
        if _with_weights(larger, sizes.weights, sizes, dtype).hold(inputs.least_length):
            return f"tensor_parallel_size={gpus} on as many of them would fit"
    return "a larger device, or a smaller model, would fit"


def _with_weights(inputs: PlanInputs, size: int, sizes: Sizes, dtype: str) -> Sizes:
    return measure(
        inputs.facts,
        size,
        inputs.table,
        inputs.device,
        inputs.options,
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
    setting = "kv_cache_gib" if inputs.device.kind == "cpu" else ""
    room = max(0, sizes.room or 0)
    what = (
        f"the weights of {inputs.facts.name} fit on {inputs.device.name} with "
        f"{inputs.table.title} ({gib(sizes.device_weights)}), but its KV cache of {gib(room)} "
        f"holds {longest} tokens and max_model_len is {length}; set max_model_len={longest}"
    )
    if setting:
        needed = -(-sizes.sequence_bytes(length) // GIB)
        what += f", or {setting}={needed}"
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
