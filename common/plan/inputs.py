"""All that a plan follows from."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from common.models.facts import ModelFacts
from common.models.formats import formats
from common.plan.choice import BuiltCheckpoint, BuiltCheckpoints
from common.plan.devices import Device
from common.plan.errors import Refused
from common.plan.options import AUTO, LoadOptions
from common.plan.sizes import LEAST_CONTEXT
from common.plan.tables import CacheRow, SchemeRow, Table


def nothing_built(scheme: str) -> Sequence[BuiltCheckpoint]:
    return ()


@dataclass(frozen=True)
class PlanInputs:
    """`checkpoints` gives those in the store that were built from the model."""

    facts: ModelFacts
    table: Table
    device: Device
    options: LoadOptions
    checkpoints: BuiltCheckpoints = field(default=nothing_built)

    @property
    def length(self) -> int | None:
        """Tokens of a prompt with its answer, None where neither model nor user limit them."""
        return self.options.max_model_len or self.facts.config.context_length

    @property
    def least_length(self) -> int:
        """Tokens that there has to be room for beside the weights."""
        return min(LEAST_CONTEXT, self.length or LEAST_CONTEXT)

    def dtype(self) -> str:
        """Returns the number format that the engine computes in. Raises Refused."""
        least = self.table.bfloat16_minimum
        capability = self.device.compute_capability
        lacking = capability is not None and capability < least
        if self.options.dtype == "bfloat16" and lacking:
            raise Refused(
                f"{self.table.title} computes in bfloat16 from compute capability {least:.1f} on, "
                f"and {self.device.name} has {capability:.1f}; set dtype=float16"
            )
        if self.options.dtype != AUTO:
            return self.options.dtype
        own = self.facts.dtype
        if own in ("float32", "float64") and not self.table.keeps_float32:
            return "float16"
        return "float16" if own == "bfloat16" and lacking else own

    def cache_dtype(self, row: SchemeRow, cache: CacheRow | None, dtype: str) -> str:
        """Returns the number format of the KV cache beside weights as in `row`."""
        if cache is not None:
            return cache.name
        compiled = formats().get(row.format) if row.how == "build" else None
        return dtype if compiled is None or compiled.plain == "model" else compiled.plain
