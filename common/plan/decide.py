"""One plan for a model on an engine and a device, or a refusal that says what would work."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from common.plan import offers
from common.plan.choice import (
    Artifacts,
    Choice,
    Found,
    cache_row,
    check_row,
    engine_arguments,
    named_rows,
    stored_choice,
)
from common.plan.devices import Device
from common.plan.errors import NotUnderstood, Refused
from common.plan.facts import ModelFacts
from common.plan.sizes import LEAST_CONTEXT, Sizes, check_split, context_length, measure
from common.plan.tables import CacheRow, SchemeRow, Table, fill, given
from common.plan.wish import AUTO, Wish


@dataclass(frozen=True)
class Plan:
    """Sizes are in bytes. `weight_bytes` are all weights; what follows is of each device:
    `memory_bytes` the weights, the overhead and the KV cache together. What depends on a device of
    unknown memory, or on an unknown kind of cache, is None.

    `engine_name` is what the engine is told of the scheme, None where the checkpoint says it.
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
    weight_bytes: int | None = None
    device_weight_bytes: int | None = None
    overhead_bytes: int | None = None
    kv_bytes_per_token: int | None = None
    kv_bytes: int | None = None
    kv_tokens: int | None = None
    sequences: int | None = None
    memory_bytes: int | None = None


def nothing_built(scheme: str) -> Sequence[Found]:
    return ()


@dataclass(frozen=True)
class Question:
    """All that a plan follows from."""

    facts: ModelFacts
    table: Table
    device: Device
    wish: Wish
    artifacts: Artifacts = field(default=nothing_built)

    @property
    def length(self) -> int | None:
        """Tokens of a prompt with its answer."""
        return self.wish.max_model_len or context_length(self.facts.text)

    def dtype(self) -> str:
        """That the engine computes in. Raises Refused."""
        least = self.table.bfloat16_minimum
        capability = self.device.compute_capability
        lacking = capability is not None and capability < least
        if self.wish.dtype == "bfloat16" and lacking:
            raise Refused(
                f"{self.table.title} computes in bfloat16 from compute capability {least:.1f} on, "
                f"and {self.device.name} has {capability:.1f}; set dtype=float16"
            )
        if self.wish.dtype != AUTO:
            return self.wish.dtype
        found = self.facts.dtype
        if found in ("float32", "float64") and not self.table.keeps_float32:
            return "float16"
        return "float16" if found == "bfloat16" and lacking else found

    def cache_dtype(self, row: SchemeRow, cache: CacheRow | None, dtype: str) -> str:
        if cache is not None:
            return cache.name
        plain = offers.plain_dtype(row.format) if row.how == "build" else "model"
        return dtype if plain == "model" else plain


def decide(question: Question) -> Plan:
    """Raises Refused; NotUnderstood where the model's memory cannot be counted."""
    facts, table, device, wish = question.facts, question.table, question.device, question.wish
    if device.kind == "cpu" and not table.cpu:
        raise Refused(f"{table.title} needs a GPU; name the one to plan for, such as --gpu l4")
    check_split(facts, table, device, wish.tensor_parallel_size)
    _check_length(question)
    cache = cache_row(table, device, wish)
    dtype = question.dtype()
    if facts.stored.scheme != "none":
        return _plan(question, stored_choice(facts, table, device, wish), cache, dtype)
    if wish.quantization != AUTO:
        return _plan(question, _wished(question), cache, dtype)
    return _automatic(question, cache, dtype)


def _check_length(question: Question) -> None:
    wanted, limit = question.wish.max_model_len, context_length(question.facts.text)
    if wanted is not None and limit is not None and wanted > limit:
        raise Refused(
            f"max_model_len {wanted} is more than the {limit} tokens of {question.facts.name}; "
            f"allowed is at most {limit}"
        )


def choose(question: Question) -> Plan:
    """A plan without sizes, for a model whose memory cannot be counted. Raises Refused."""
    facts, table, device, wish = question.facts, question.table, question.device, question.wish
    cache = cache_row(table, device, wish)
    if facts.stored.scheme != "none":
        choice = stored_choice(facts, table, device, wish)
    elif wish.quantization == AUTO:
        choice = _plain(question)
    else:
        choice = _wished(question)
    dtype = question.dtype()
    return _as_plan(question, choice, cache, dtype, None, "its size is not known")


def _plain(question: Question) -> Choice:
    row = named_rows("none", question.table, question.wish)[0]
    return Choice(row, question.facts, "none", row.engine)


def _wished(question: Question) -> Choice:
    """For plain weights and a named scheme. Raises Refused."""
    facts, table, device, wish = question.facts, question.table, question.device, question.wish
    wanted = wish.quantization
    if wanted == "none":
        plain = _plain(question)
        check_row(plain.row, facts, table, device, wish)
        return plain
    rows = named_rows(wanted, table, wish)
    refused: Refused | None = None
    possible: list[SchemeRow] = []
    for row in rows:
        if row.how == "never":
            raise Refused(offers.never(row, facts))
        try:
            check_row(row, facts, table, device, wish)
        except Refused as error:
            refused = refused or error
            continue
        if row.how == "loading" or (row.how == "build" and row.from_plain):
            told = wanted if wanted in row.aliases and wanted not in GENERIC else row.engine
            return Choice(row, facts, row.name, told)
        possible.append(row)
    built = _built(question, rows)
    if built is not None:
        return built
    if refused is not None and not possible:
        raise refused
    raise Refused(offers.checkpoint_needed(facts, wanted, possible, question.dtype()))


def _built(question: Question, rows: Sequence[SchemeRow]) -> Choice | None:
    """The newest checkpoint in the store that is what the user asks for and can be loaded here."""
    wish = question.wish
    for scheme in offers.built_schemes(wish.quantization, rows):
        for found in question.artifacts(scheme):
            if not any(found.facts.stored.format in row.formats for row in rows):
                continue
            plain = replace(wish, quantization=AUTO)
            with suppress(Refused):
                choice = stored_choice(found.facts, question.table, question.device, plain)
                return Choice(choice.row, choice.facts, choice.scheme, choice.engine, found)
    return None


GENERIC = ("none", "awq", "fp8", "int8", "bitsandbytes")
"""Names of ours that a table has among an engine's."""


def _automatic(question: Question, cache: CacheRow | None, dtype: str) -> Plan:
    """Plain where it fits; else the engine's own 4 bits, else AWQ from the store."""
    facts, table, device, wish = question.facts, question.table, question.device, question.wish
    plain = _plain(question)
    check_row(plain.row, facts, table, device, wish)
    sizes = _measure(question, plain, cache, dtype)
    if _weights_fit(question, sizes):
        return _fitting(question, plain, cache, dtype, sizes)
    if table.own_4bit is not None:
        row = named_rows(table.own_4bit, table, wish)[0]
        try:
            check_row(row, facts, table, device, wish)
            choice = Choice(row, facts, row.name, row.engine)
            found = _measure(question, choice, cache, dtype)
            if _weights_fit(question, found):
                return _fitting(question, choice, cache, dtype, found)
        except NotUnderstood:
            raise
        except Refused as error:
            raise Refused(f"{offers.too_large(question, plain, sizes)}; {error}") from None
        raise Refused(offers.nothing_fits(question, plain, sizes, found))
    built = _built(replace(question, wish=replace(wish, quantization="awq")), table.schemes)
    if built is not None:
        return _plan(question, built, cache, dtype)
    raise Refused(offers.four_bits(question, plain, sizes, dtype))


def _measure(question: Question, choice: Choice, cache: CacheRow | None, dtype: str) -> Sizes:
    facts, wish, row = choice.facts, question.wish, choice.row
    weights = offers.weights(choice.facts, row, dtype)
    device = question.device
    judged = not any(given(wish.engine_args, name) for name in question.table.not_judged)
    if not judged:
        device = Device(device.name, device.kind, None, device.compute_capability, device.count)
    kv_dtype = question.cache_dtype(row, cache, dtype)
    return measure(facts, weights, question.table, device, wish, dtype=dtype, kv_dtype=kv_dtype)


def _weights_fit(question: Question, sizes: Sizes) -> bool:
    """Weights that leave no room for even a short context do not."""
    return sizes.hold(min(LEAST_CONTEXT, question.length or LEAST_CONTEXT))


def _plan(question: Question, choice: Choice, cache: CacheRow | None, dtype: str) -> Plan:
    """Raises Refused where it does not fit."""
    sizes = _measure(question, choice, cache, dtype)
    if not _weights_fit(question, sizes):
        raise Refused(offers.no_room(question, choice, sizes, dtype))
    return _fitting(question, choice, cache, dtype, sizes)


def _fitting(
    question: Question, choice: Choice, cache: CacheRow | None, dtype: str, sizes: Sizes
) -> Plan:
    """Raises Refused where the weights fit and the context does not."""
    length = question.length
    if length is not None and not sizes.hold(length):
        raise Refused(offers.shorter(question, choice, sizes, length, cache, dtype))
    return _as_plan(question, choice, cache, dtype, sizes, offers.reason(question, choice, sizes))


def _as_plan(
    question: Question,
    choice: Choice,
    cache: CacheRow | None,
    dtype: str,
    sizes: Sizes | None,
    reason: str,
) -> Plan:
    facts, row, found = question.facts, choice.row, choice.found
    gpus = question.wish.tensor_parallel_size
    build = fill(row.build, facts.name) if row.how == "build" and row.build else None
    plan: dict[str, Any] = {
        "backend": question.table.name,
        "model": facts.name,
        "device": question.device.name if gpus == 1 else f"{gpus} x {question.device.name}",
        "checkpoint": facts.name if found is None else found.checkpoint,
        "artifact": None if found is None else found.tag,
        "scheme": choice.scheme,
        "engine_name": None if choice.scheme == "none" and row.how != "build" else choice.engine,
        "arguments": dict(engine_arguments(choice, cache)),
        "dtype": dtype,
        "kv_cache_dtype": question.cache_dtype(row, cache, dtype),
        "max_model_len": question.length,
        "build": build,
        "reason": reason,
    }
    return Plan(**plan, **({} if sizes is None else _numbers(question, sizes)))


def _numbers(question: Question, sizes: Sizes) -> dict[str, Any]:
    found: dict[str, Any] = {
        "weight_bytes": sizes.weights,
        "device_weight_bytes": sizes.device_weights,
        "overhead_bytes": sizes.overhead,
        "kv_bytes_per_token": sizes.token_bytes,
    }
    if sizes.room is None:
        return found
    length = question.length or LEAST_CONTEXT
    each = sizes.sequence_bytes(length)
    return {
        **found,
        "kv_bytes": sizes.room,
        "kv_tokens": sizes.room * length // each,
        "sequences": sizes.room // each,
        "memory_bytes": sizes.device_weights + sizes.overhead + sizes.room,
    }
