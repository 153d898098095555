"""Which scheme of an engine's table a wish and a checkpoint lead to, before any size is counted."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from common.plan.devices import Device
from common.plan.errors import NotUnderstood, Refused
from common.plan.facts import ModelFacts
from common.plan.formats import check_groups, formats
from common.plan.tables import CacheRow, SchemeRow, Table, contains, fill, names
from common.plan.wish import AUTO, Wish


@dataclass(frozen=True)
class Found:
    """A checkpoint in the store that was made from the model. `checkpoint` is its directory."""

    tag: str
    checkpoint: str
    facts: ModelFacts


Artifacts = Callable[[str], Sequence[Found]]
"""Of a scheme, newest first."""


@dataclass(frozen=True)
class Choice:
    """`facts` are those of the checkpoint that is loaded. `engine` is what the engine is told,
    None where the checkpoint says it."""

    row: SchemeRow
    facts: ModelFacts
    scheme: str
    engine: str | None
    found: Found | None = None

    @property
    def stored(self) -> bool:
        return self.facts.stored.scheme != "none"


def active_rows(table: Table, wish: Wish) -> list[SchemeRow]:
    return [row for row in table.schemes if table.active(row, wish.engine_args)]


def stored_choice(facts: ModelFacts, table: Table, device: Device, wish: Wish) -> Choice:
    """For a checkpoint that is quantized already. Raises Refused."""
    kept = facts.stored
    rows = [row for row in table.schemes if kept.format in row.formats]
    active = [row for row in rows if table.active(row, wish.engine_args)]
    row = next(iter(sorted(active, key=lambda row: row.how == "never")), None)
    if wish.quantization != AUTO:
        _check_agrees(facts, table, wish, row)
    if row is None or row.how == "never":
        raise Refused(_not_loaded(facts, table, row or next(iter(rows), None)))
    check_row(row, facts, table, device, wish)
    own = row.how == "checkpoint" and wish.quantization in (row.engine, *row.aliases)
    engine = wish.quantization if own and wish.quantization not in OUR_NAMES else None
    scheme = kept.scheme if row.how == "as stored" else row.name
    return Choice(row, facts, scheme, engine)


def _check_agrees(facts: ModelFacts, table: Table, wish: Wish, row: SchemeRow | None) -> None:
    """Raises Refused for a wish that contradicts the checkpoint, or that nobody knows."""
    wanted = wish.quantization
    kept = facts.stored
    if row is not None and wanted in (*row.names, *row.serves, kept.scheme, kept.method):
        return
    if wanted in (kept.scheme, kept.method):
        return
    if wanted != "none":
        named_rows(wanted, table, wish)
    raise Refused(
        f"quantization {wanted!r} contradicts the checkpoint {facts.name}, which is quantized as "
        f"{kept}; allowed is 'auto', or give the unquantized model"
    )


def _not_loaded(facts: ModelFacts, table: Table, row: SchemeRow | None) -> str:
    """Of a quantized checkpoint."""
    what = f"{table.title} does not load {facts.name}, which is quantized as {facts.stored}"
    if row is not None and row.refusal:
        what = f"{row.refusal}, and {facts.name} is quantized as {facts.stored}"
    if row is not None and row.instead:
        # What has to be built is built from the model as it was before.
        return f"{what}; {fill(row.instead, 'MODEL')}"
    loads = [each for each in names(table.schemes) if each != "none"]
    allowed = f"; allowed are plain weights and {', '.join(loads)}" if loads else ""
    return what + (allowed or "; allowed are plain weights")


def named_rows(wanted: str, table: Table, wish: Wish) -> list[SchemeRow]:
    """The rows that a user may mean. Raises Refused where there is none."""
    rows = [row for row in active_rows(table, wish) if wanted in (*row.names, *row.serves)]
    if not rows:
        away = [row for row in table.schemes if wanted in row.names and row.instead]
        if away:
            raise Refused(f"quantization {wanted!r} is not for {table.title} so; {away[0].instead}")
        allowed = ", ".join(("auto", *names(active_rows(table, wish))))
        raise Refused(f"{table.title} has no quantization {wanted!r}; allowed are {allowed}")
    return rows


def check_row(row: SchemeRow, facts: ModelFacts, table: Table, device: Device, wish: Wish) -> None:
    """Raises Refused where the device, or the kind of model, lacks the scheme."""
    what = facts.stored.scheme if row.how == "as stored" else row.name
    _check_device(row, what, table, device)
    if row.models and facts.model_type not in row.models:
        other = f"; {table.own_4bit} of the unquantized model would work" if table.own_4bit else ""
        raise Refused(
            f"{table.title} takes {what} of {', '.join(row.models)} models only, and "
            f"{facts.name} is a {facts.model_type!r} model{other}"
        )
    form = row.format
    if facts.stored.format in row.formats:
        _check_stored(row, facts, table)
        form = facts.stored.format
    elif row.how == "checkpoint":
        form = next((each for each in row.formats if each in formats()), form)
    if form in formats() and formats()[form].divides:
        with suppress(NotUnderstood):
            tensors = facts.plain_tensors
            check_groups(tensors, form, wish.tensor_parallel_size, facts.stored)


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
    kept, what = facts.stored, f"{table.title} loads {row.name} checkpoints"
    if row.group_sizes and kept.group_size not in row.group_sizes:
        allowed = " or ".join(map(str, row.group_sizes))
        raise Refused(f"{what} with groups of {allowed}, and {facts.name} is {kept}")
    if kept.act_order and not row.act_order:
        raise Refused(f"{what} without desc_act (act-order), and {facts.name} has it")
    if row.symmetric_only and not kept.symmetric:
        raise Refused(f"{what} that are symmetric (sym), and {facts.name} is not")


def cache_row(table: Table, device: Device, wish: Wish) -> CacheRow | None:
    """None for a cache in the number format of the model. Raises Refused."""
    wanted = wish.kv_cache_dtype
    if wanted == AUTO:
        given = (row for row in table.caches if contains(wish.engine_args, row.arguments))
        return next(given, None)
    active = [row for row in table.caches if table.active(row, wish.engine_args)]
    rows = [row for row in active if wanted in (row.name, *row.aliases)]
    if not rows:
        away = [r for r in table.caches if wanted in (r.name, *r.aliases) and r.instead]
        allowed = ", ".join(("auto", *(row.name for row in active)))
        hint = f"; {away[0].instead}" if away else f"; allowed are {allowed}"
        raise Refused(f"{table.title} has no KV cache in {wanted!r}{hint}")
    row = rows[0]
    if device.kind == "cpu" and not row.cpu:
        allowed = ", ".join((AUTO, *(each.name for each in active if each.cpu)))
        raise Refused(
            f"{table.title} has no KV cache in {wanted!r} on a CPU; allowed there are {allowed}"
        )
    capability = device.compute_capability
    if capability is not None and capability < row.minimum:
        raise Refused(
            f"{table.title} has a KV cache in {wanted!r} from compute capability "
            f"{row.minimum:.1f} on, and {device.name} has {capability:.1f}; allowed is 'auto'"
        )
    return row


OUR_NAMES = ("none", "awq", "gptq", "fp8", "int8", "mxfp4", "nvfp4")
"""Schemes that an engine recognizes by itself in a checkpoint."""


def engine_arguments(choice: Choice, cache: CacheRow | None) -> Mapping[str, Any]:
    """What the engine has to be given for them."""
    found = dict(choice.row.arguments)
    return found if cache is None else {**found, **cache.arguments}
