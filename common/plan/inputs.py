"""All that a plan follows from."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from common.models.facts import ModelFacts
from common.models.formats import formats
from common.plan.choice import BuiltCheckpoint, BuiltCheckpoints, SchemeChoice
from common.plan.devices import Device
from common.plan.errors import Refused
from common.plan.options import AUTO, LoadOptions
from common.plan.sizes import LEAST_CONTEXT
from common.plan.tables import CacheRow, SchemeRow, Table

TOO_LARGE_FOR_FLOAT16 = ("gemma2", "gemma3", "gemma3_text", "glm4")
"""Types of models whose numbers overflow there: engines that know of it refuse to load them so."""


def nothing_built(scheme: str) -> Sequence[BuiltCheckpoint]:
    return ()


@dataclass(frozen=True)
class PlanInputs:
    """`checkpoints` gives those in the store that were built from the model; `draft` is the model
    that drafts tokens for it."""

    facts: ModelFacts
    table: Table
    device: Device
    options: LoadOptions
    checkpoints: BuiltCheckpoints = field(default=nothing_built)
    draft: ModelFacts | None = None

    @property
    def length(self) -> int | None:
        """Tokens of a prompt with its answer, None where neither model nor user limit them."""
        return self.options.max_model_len or self.facts.config.context_length

    @property
    def least_length(self) -> int:
        """Tokens that there has to be room for beside the weights."""
        return min(LEAST_CONTEXT, self.length or LEAST_CONTEXT)

    def dtype(self, choice: SchemeChoice | None = None) -> str:
        """Returns the number format that the engine computes in, of plain weights or of those that
        were chosen. Raises Refused."""
        fixed = None if choice is None else self._fixed_dtype(choice.row)
        if choice is None or fixed is None:
            return self._free_dtype(self.facts if choice is None else choice.facts)
        if self.options.dtype not in (AUTO, fixed):
            raise Refused(
                f"{self.table.title} computes in {fixed} beside {choice.scheme} weights of a "
                f"{self.facts.config.whole_type!r} model, and dtype is {self.options.dtype}; "
                f"allowed are auto and {fixed}"
            )
        return fixed

    def _fixed_dtype(self, row: SchemeRow) -> str | None:
        """Returns the only one beside weights as in `row`, None where there is a choice."""
        if self.device.kind == "cpu":
            return None
        if row.dtype == "own":
            by_type = self.facts.config.whole_type in self.table.bfloat16_models
            return "bfloat16" if by_type else "float16"
        compiled = formats().get(row.format) if row.how == "build" else None
        return row.dtype if compiled is None or compiled.plain == "model" else compiled.plain

    def _free_dtype(self, facts: ModelFacts) -> str:
        """Returns what the user asks for, else what the checkpoint has, in 16 bits where the
        engine keeps no more. Raises Refused."""
        least, capability = self.table.bfloat16_minimum, self.device.compute_capability
        lacking = capability is not None and capability < least
        where = (
            f"{self.table.title} computes in bfloat16 from compute capability {least:.1f} on, and "
            f"{self.device.name} has {capability or 0:.1f}"
        )
        if self.options.dtype == "bfloat16" and lacking:
            raise Refused(f"{where}; set dtype=float16")
        if self.options.dtype != AUTO:
            return self.options.dtype
        own = facts.dtype
        if own == "float16" or (own != "bfloat16" and self.table.keeps_float32):
            return own
        if not lacking:
            return "bfloat16"
        if facts.config.model_type in TOO_LARGE_FOR_FLOAT16:
            raise Refused(
                f"{where}; float16 is too small for {facts.config.model_type} models, and float32 "
                "has to be asked for: set dtype=float32"
            )
        return "float16"

    def cache_dtype(self, cache: CacheRow | None, dtype: str) -> str:
        """Returns the number format of the KV cache of an engine that computes in `dtype`."""
        return dtype if cache is None else cache.name
