"""The sentences of a plan and of its refusals, and what they offer instead."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from common.plan.choice import Choice, active_rows, check_row
from common.plan.errors import NotUnderstood, Refused
from common.plan.facts import ModelFacts
from common.plan.formats import formats
from common.plan.sizes import LEAST_CONTEXT, Sizes, check_split, measure
from common.plan.tables import CacheRow, SchemeRow, fill
from common.plan.tensors import BYTES

if TYPE_CHECKING:
    from common.plan.decide import Question

GIB = 2**30
MIB = 2**20
BUILT_AS = "awq"
"""The scheme of checkpoints that build_scripts makes in 4 bits."""
MORE_GPUS = (2, 4, 8, 16)
CONTEXT_STEP = 16


def gib(size: int) -> str:
    """In GiB, what is small in MiB."""
    return f"{size / GIB:.1f} GiB" if size >= GIB // 10 else f"{size / MIB:.1f} MiB"


def plain_dtype(form: str) -> str:
    """Of what a format leaves unquantized, and so of the cache beside it."""
    return formats()[form].plain if form in formats() else "model"


def weights(facts: ModelFacts, row: SchemeRow, dtype: str) -> int:
    """Bytes that the engine holds. Raises NotUnderstood."""
    if facts.stored.format in row.formats:
        if row.expands:
            return facts.plain_bytes(dtype)
        return facts.loaded_bytes(dtype)
    if row.format == "plain":
        return facts.loaded_bytes(dtype)
    scheme = row.name if row.name in formats()[row.format].schemes else _first_scheme(row.format)
    return facts.predict(scheme, row.format, dtype)


def _first_scheme(form: str) -> str:
    return formats()[form].schemes[0]


def built_schemes(wanted: str, rows: Sequence[SchemeRow]) -> tuple[str, ...]:
    """As builders call what the user asks for: one that they make, or all of them."""
    made = dict.fromkeys(scheme for row in rows for scheme in row.makes)
    return (wanted,) if wanted in made else tuple(made)


def never(row: SchemeRow, facts: ModelFacts) -> str:
    return f"{row.refusal}; {fill(row.instead or 'plain weights would work', facts.name)}"


def checkpoint_needed(facts: ModelFacts, wanted: str, rows: Sequence[SchemeRow], dtype: str) -> str:
    """For plain weights, and a scheme that has to be in the checkpoint."""
    row = next((row for row in rows if row.makes), rows[0])
    if row.refusal or row.instead:
        what = row.refusal or f"{wanted} weights are not made while loading"
        return f"{what}; {fill(row.instead or '', facts.name)}"
    what = (
        f"quantization {wanted!r} needs a checkpoint that is quantized so, and {facts.name} is not"
    )
    if not row.makes:
        return f"{what}; give one whose config.json says so"
    size = predicted(facts, row, dtype)
    takes = "" if size is None else f" of {gib(size)}"
    command = row.makes.get(wanted) or next(iter(row.makes.values()))
    return f"{what}; make one{takes}: {fill(command, facts.name)}"


def predicted(facts: ModelFacts, row: SchemeRow, dtype: str) -> int | None:
    """Bytes of the checkpoint that a row's commands make, None where they are not known."""
    form = next((name for name in row.formats if name in formats()), None)
    if form is None:
        return None
    try:
        return facts.predict(_first_scheme(form), form, dtype)
    except NotUnderstood:
        return None


def reason(question: "Question", choice: Choice, sizes: Sizes) -> str:
    """Why this plan, in one sentence."""
    how = _how(choice)
    what = f"{how}: {gib(sizes.weights)} of weights"
    if question.wish.tensor_parallel_size > 1:
        what += f", {gib(sizes.device_weights)} on each of {question.wish.tensor_parallel_size}"
    if sizes.room is None:
        return (
            f"{what}; the memory of {question.device.name} is not known, so the fit is not judged"
        )
    tokens = sizes.room // sizes.token_bytes
    return (
        f"{what} fit on {question.device.name}, beside them {gib(sizes.room)} of KV cache for "
        f"{tokens} tokens in {sizes.kv_dtype}"
    )


def _how(choice: Choice) -> str:
    if choice.found is not None:
        return f"{choice.scheme}, the checkpoint {choice.found.tag} built from this model"
    if choice.stored:
        return f"{choice.scheme}, as the checkpoint is ({choice.facts.stored})"
    if choice.scheme == "none":
        return "unquantized"
    return f"{choice.scheme}, {'compiled' if choice.row.how == 'build' else 'made while loading'}"


def too_large(question: "Question", choice: Choice, sizes: Sizes) -> str:
    """What does not fit, without what would."""
    quality = "unquantized" if choice.scheme == "none" else f"as {choice.scheme}"
    left = max(0, sizes.budget or 0)
    several = question.wish.tensor_parallel_size
    on = f"{several} x {question.device.name}" if several > 1 else question.device.name
    each = " on each" if several > 1 else ""
    room = sizes.sequence_bytes(_least(question))
    return (
        f"{question.facts.name} does not fit on {on} with {question.table.title}: its weights take "
        f"{gib(sizes.device_weights)} {quality}{each}, and {gib(left)} is left for them and for at "
        f"least {gib(room)} of KV cache"
    )


def four_bits(question: "Question", choice: Choice, sizes: Sizes, dtype: str) -> str:
    """Plain weights do not fit, and no AWQ checkpoint was built from them."""
    head = too_large(question, choice, sizes)
    tried: list[str] = []
    for row in active_rows(question.table, question.wish):
        offer = _four_bit_offer(question, row, dtype)
        if offer is None:
            continue
        name, size, advice = offer
        if _with_weights(question, size, sizes, dtype).hold(_least(question)):
            return f"{head}; {name} weights would take {gib(size)} and fit: {advice}"
        tried.append(f"{gib(size)} as {name}")
    nor = f"; nor do {tried[0]}" if tried else ""
    return f"{head}{nor}; {more_gpus(question, sizes, dtype)}"


def _four_bit_offer(
    question: "Question", row: SchemeRow, dtype: str
) -> tuple[str, int, str] | None:
    """The scheme, its bytes and what to do for it, of a row that gives 4 bits here."""
    facts = question.facts
    command = row.makes.get(BUILT_AS)
    made = row.how == "loading" and row.format in formats() and formats()[row.format].bits == 4
    if row.expands or not (command or made):
        return None
    try:
        check_row(row, facts, question.table, question.device, question.wish)
        size = predicted(facts, row, dtype) if command else weights(facts, row, dtype)
    except Refused:
        return None
    if size is None:
        return None
    if command:
        return BUILT_AS.upper(), size, fill(command, facts.name)
    return row.name, size, f"set quantization={row.name}"


def _least(question: "Question") -> int:
    """Tokens that there has to be room for."""
    return min(LEAST_CONTEXT, question.length or LEAST_CONTEXT)


def nothing_fits(question: "Question", choice: Choice, sizes: Sizes, own: Sizes) -> str:
    head = too_large(question, choice, sizes)
    others = more_gpus(question, own, question.dtype())
    return f"{head}; nor do {gib(own.weights)} as {question.table.own_4bit}; {others}"


def no_room(question: "Question", choice: Choice, sizes: Sizes, dtype: str) -> str:
    """For a scheme that was asked for, or that the checkpoint has."""
    return f"{too_large(question, choice, sizes)}; {more_gpus(question, sizes, dtype)}"


def more_gpus(question: "Question", sizes: Sizes, dtype: str) -> str:
    """The fewest GPUs of this kind on which these weights fit."""
    device = replace(question.device, count=None)
    for gpus in MORE_GPUS if device.kind == "gpu" else ():
        if gpus <= question.wish.tensor_parallel_size:
            continue
        wish = replace(question.wish, tensor_parallel_size=gpus)
        asked = replace(question, wish=wish, device=device)
        try:
            check_split(question.facts, question.table, device, gpus)
        except Refused:
            continue
        if _with_weights(asked, sizes.weights, sizes, dtype).hold(_least(question)):
            return f"tensor_parallel_size={gpus} on as many of them would fit"
    return "a larger device, or a smaller model, would fit"


def _with_weights(question: "Question", size: int, sizes: Sizes, dtype: str) -> Sizes:
    return measure(
        question.facts,
        size,
        question.table,
        question.device,
        question.wish,
        dtype=dtype,
        kv_dtype=sizes.kv_dtype,
    )


def shorter(
    question: "Question",
    choice: Choice,
    sizes: Sizes,
    length: int,
    cache: CacheRow | None,
    dtype: str,
) -> str:
    """The weights fit, and a sequence of `length` tokens does not."""
    longest = sizes.longest() // CONTEXT_STEP * CONTEXT_STEP
    setting = "kv_cache_gib" if question.device.kind == "cpu" else ""
    room = max(0, sizes.room or 0)
    what = (
        f"the weights of {question.facts.name} fit on {question.device.name} with "
        f"{question.table.title} ({gib(sizes.device_weights)}), but its KV cache of {gib(room)} "
        f"holds {longest} tokens and max_model_len is {length}; set max_model_len={longest}"
    )
    if setting:
        needed = -(-sizes.sequence_bytes(length) // GIB)
        what += f", or {setting}={needed}"
    if cache is None and (row := _smaller_cache(question)) is not None:
        quantized = replace(sizes, kv_dtype=row.name)
        tokens = quantized.longest() // CONTEXT_STEP * CONTEXT_STEP
        enough = "" if tokens >= length else f" and max_model_len={tokens}"
        what += f", or kv_cache_dtype={row.name}{enough}"
    return what


def _smaller_cache(question: "Question") -> CacheRow | None:
    """The first that the engine has on this device."""
    device, table = question.device, question.table
    for row in table.caches:
        fits = device.compute_capability is None or device.compute_capability >= row.minimum
        here = row.cpu if device.kind == "cpu" else fits
        if here and table.active(row, question.wish.engine_args) and BYTES[question.dtype()] > 1:
            return row
    return None
