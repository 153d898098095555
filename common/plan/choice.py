"""The scheme of an engine's table to which the settings and a checkpoint lead, before any size is
counted."""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from common.models.errors import NotUnderstood
from common.models.facts import ModelFacts
from common.models.formats import format_named, formats
from common.models.quantization import Quantization
from common.models.tensors import Tensor
from common.plan.devices import Device
from common.plan.errors import Refused
from common.plan.options import AUTO, LoadOptions
from common.plan.tables import CacheRow, SchemeRow, Table, contains, fill, names


@dataclass(frozen=True)
class BuiltCheckpoint:
    """A checkpoint of the store that was built from the model. `checkpoint` is its directory."""

    tag: str
    checkpoint: str
    facts: ModelFacts


BuiltCheckpoints = Callable[[str], Sequence[BuiltCheckpoint]]
"""Returns those of a scheme, newest first."""


@dataclass(frozen=True)
class SchemeChoice:
    """`facts` are those of the checkpoint that is loaded. `engine_name` is the engine's own name of
    the scheme, None where the checkpoint says it. `built` is the checkpoint, where it is one of the
    store."""

    row: SchemeRow
    facts: ModelFacts
    scheme: str
    engine_name: str | None
    built: BuiltCheckpoint | None = None

    @property
    def stored(self) -> bool:
        """True where the checkpoint is quantized already."""
        return self.facts.quantization.scheme != "none"


def active_rows(table: Table, options: LoadOptions) -> list[SchemeRow]:
    """Returns the rows that the engine has with these engine_args."""
    return [row for row in table.schemes if table.active(row, options.engine_args)]


def stored_choice(
    facts: ModelFacts, table: Table, device: Device, options: LoadOptions
) -> SchemeChoice:
    """Chooses for a checkpoint that is quantized already. Raises Refused."""
    own = facts.quantization
    rows = [row for row in table.schemes if own.format in row.formats]
    active = [row for row in rows if table.active(row, options.engine_args)]
    row = next(iter(sorted(active, key=lambda row: row.how == "never")), None)
    if options.quantization != AUTO:
        _check_agrees(facts, table, options, row)
    if row is None or row.how == "never":
        raise Refused(_not_loaded(facts, table, row or next(iter(rows), None)))
    check_row(row, facts, table, device, options)
    asked = options.quantization
    named = row.how == "checkpoint" and asked in (row.engine, *row.aliases)
    engine_name = asked if named and asked not in OUR_NAMES else None
    scheme = row.name if row.how == "build" else own.scheme
    return SchemeChoice(row, facts, scheme, engine_name)


def _check_agrees(
    facts: ModelFacts, table: Table, options: LoadOptions, row: SchemeRow | None
) -> None:
    """Raises Refused for a setting that contradicts the checkpoint, or that nobody knows."""
    asked, own = options.quantization, facts.quantization
    if row is not None and asked in (*row.names, *row.serves):
        return
    if asked in (own.scheme, own.method):
        return
    if asked != "none":
        named_rows(asked, table, options)
    raise Refused(
        f"quantization {asked!r} contradicts the checkpoint {facts.name}, which is quantized as "
        f"{own}; allowed is 'auto', or give the unquantized model"
    )


def _not_loaded(facts: ModelFacts, table: Table, row: SchemeRow | None) -> str:
    """Says why the engine does not load a quantized checkpoint, and what it loads."""
    what = f"{table.title} does not load {facts.name}, which is quantized as {facts.quantization}"
    if row is not None and row.refusal:
        what = f"{row.refusal}, and {facts.name} is quantized as {facts.quantization}"
    if row is not None and row.instead:
        # What has to be built is built from the model as it was before.
        return f"{what}; {fill(row.instead, 'MODEL')}"
    loads = [each for each in names(table.schemes) if each != "none"]
    allowed = f"; allowed are plain weights and {', '.join(loads)}" if loads else ""
    return what + (allowed or "; allowed are plain weights")


def named_rows(name: str, table: Table, options: LoadOptions) -> list[SchemeRow]:
    """Returns the rows that a user may mean. Raises Refused where there is none."""
    rows = [row for row in active_rows(table, options) if name in (*row.names, *row.serves)]
    if not rows:
        inactive = [row for row in table.schemes if name in row.names and row.instead]
        if inactive:
            raise Refused(
                f"quantization {name!r} is not for {table.title} so; {inactive[0].instead}"
            )
        allowed = ", ".join(("auto", *names(active_rows(table, options))))
        raise Refused(f"{table.title} has no quantization {name!r}; allowed are {allowed}")
    return rows


def check_row(
    row: SchemeRow, facts: ModelFacts, table: Table, device: Device, options: LoadOptions
) -> None:
    """Raises Refused where the device, or the kind of model, lacks the scheme."""
    what = facts.quantization.scheme if row.how == "as stored" else row.name
    _check_device(row, what, table, device)
    if row.models and facts.config.model_type not in row.models:
        other = f"; {table.own_4bit} of the unquantized model would work" if table.own_4bit else ""
        raise Refused(
            f"{table.title} takes {what} of {', '.join(row.models)} models only, and "
            f"{facts.name} is a {facts.config.model_type!r} model{other}"
        )
    form = row.format
    if facts.quantization.format in row.formats:
        _check_stored(row, facts, table)
        form = facts.quantization.format
    elif row.how == "checkpoint":
        form = next((each for each in row.formats if each in formats()), form)
    if form in formats() and formats()[form].divides:
        with suppress(NotUnderstood):
            tensors, gpus = facts.plain_tensors, options.tensor_parallel_size
            check_groups(tensors, form, gpus, facts.quantization)


SPLIT_INPUTS = ("o_proj.weight", "down_proj.weight", ".w2.weight")
"""Ends of the names of matrices that several GPUs split by their inputs."""


def check_groups(tensors: Sequence[Tensor], form: str, gpus: int, own: Quantization) -> None:
    """Raises Refused where the inputs of a matrix are no multiple of the group size.

    Engines that split a matrix between `gpus` split the inputs of two matrices of each layer.
    """
    row = format_named(form)
    size = own.group_size or row.group
    for tensor in filter(row.quantized, tensors):
        ins = tensor.shape[-1]
        if ins % size:
            raise Refused(
                f"groups of {size} do not divide the {ins} inputs of {tensor.name}; groups of "
                f"{math.gcd(ins, size)} would, or a scheme without groups"
            )
        if gpus > 1 and tensor.name.endswith(SPLIT_INPUTS) and (ins / gpus) % size:
            raise Refused(
                f"on {gpus} GPUs groups of {size} do not divide the {ins} / {gpus} inputs of "
                f"{tensor.name}; set tensor_parallel_size to a divisor of {ins // size}"
            )


def _check_device(row: SchemeRow, what: str, table: Table, device: Device) -> None:
    if device.kind == "cpu" and not row.cpu:
        others = ", ".join(dict.fromkeys(each.name for each in table.schemes if each.cpu))
        raise Refused(f"{table.title} has no {what} on a CPU; allowed there are {others}")
    capability = device.compute_capability
    if capability is None:
        return
    if capability < table.minimum:
        raise Refused(
            f"{table.title} runs from compute capability {table.minimum:.1f} on, and "
            f"{device.name} has {capability:.1f}"
        )
    if _has(row, table, capability):
        return
    bound = f"from compute capability {max(row.minimum, table.minimum):.1f} on"
    if row.maximum is not None and capability > row.maximum:
        bound = f"up to compute capability {row.maximum:.1f}"
    fitting = [each for each in table.schemes if _has(each, table, capability)]
    allowed = f"; allowed there are {', '.join(names(fitting))}" if fitting else ""
    raise Refused(
        f"{table.title} has {what} {bound}, and {device.name} has {capability:.1f}{allowed}"
    )


def _has(row: SchemeRow, table: Table, capability: float) -> bool:
    most = capability if row.maximum is None else row.maximum
    return max(row.minimum, table.minimum) <= capability <= most


def _check_stored(row: SchemeRow, facts: ModelFacts, table: Table) -> None:
    own, what = facts.quantization, f"{table.title} loads {row.name} checkpoints"
    if row.group_sizes and own.group_size not in row.group_sizes:
        allowed = " or ".join(map(str, row.group_sizes))
        raise Refused(f"{what} with groups of {allowed}, and {facts.name} is {own}")
    if own.act_order and not row.act_order:
        raise Refused(f"{what} without desc_act (act-order), and {facts.name} has it")
    if row.symmetric_only and not own.symmetric:
        raise Refused(f"{what} that are symmetric (sym), and {facts.name} is not")


def cache_row(table: Table, device: Device, options: LoadOptions) -> CacheRow | None:
    """Returns None for a cache in the number format of the model. Raises Refused."""
    asked = options.kv_cache_dtype
    if asked == AUTO:
        given = (row for row in table.caches if contains(options.engine_args, row.arguments))
        return next(given, None)
    active = [row for row in table.caches if table.active(row, options.engine_args)]
    rows = [row for row in active if asked in (row.name, *row.aliases)]
    if not rows:
        inactive = [r for r in table.caches if asked in (r.name, *r.aliases) and r.instead]
        allowed = ", ".join(("auto", *(row.name for row in active)))
        hint = f"; {inactive[0].instead}" if inactive else f"; allowed are {allowed}"
        raise Refused(f"{table.title} has no KV cache in {asked!r}{hint}")
    row = rows[0]
    if device.kind == "cpu" and not row.cpu:
        allowed = ", ".join((AUTO, *(each.name for each in active if each.cpu)))
        raise Refused(
            f"{table.title} has no KV cache in {asked!r} on a CPU; allowed there are {allowed}"
        )
    capability = device.compute_capability
    if capability is not None and capability < row.minimum:
        raise Refused(
            f"{table.title} has a KV cache in {asked!r} from compute capability "
            f"{row.minimum:.1f} on, and {device.name} has {capability:.1f}; allowed is 'auto'"
        )
    return row


OUR_NAMES = ("none", "awq", "gptq", "fp8", "int8", "mxfp4", "nvfp4")
"""Schemes that an engine recognizes by itself in a checkpoint."""


def engine_arguments(choice: SchemeChoice, cache: CacheRow | None) -> Mapping[str, Any]:
    """Returns the engine's arguments that the scheme and the cache need."""
    return {**choice.row.arguments, **({} if cache is None else cache.arguments)}
