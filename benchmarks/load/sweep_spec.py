"""What a sweep is asked to do: a load, whose level is searched."""

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import Field, model_validator

from benchmarks.load.spec import Flag, Limits, Part, Spec, mistake

LIMIT_NAMES = {"ttft": "TTFT", "tpot": "TPOT", "end_to_end": "end to end"}
"""The limits by their fields, as a reader knows them."""


class SweepSettings(Part):
    """How the highest level is searched that keeps the limits: users of a closed loop, requests per
    second of an open one."""

    percentile: float = Field(
        99, gt=0, le=100, description="of the requests, which has to keep each limit"
    )
    precision: float = Field(
        0.1, gt=0, le=1, description="share by which the two levels at the end differ, at most"
    )
    steps: int = Field(12, ge=2, le=100, description="runs, at most")
    highest: Annotated[float | None, Flag("--highest")] = Field(
        None, gt=0, description="level that is tried; no limit"
    )


class SweepSpec(Spec):
    """A run whose `users` or `rate` is where the search begins."""

    sweep: SweepSettings = SweepSettings()

    @model_validator(mode="after")
    def _can_be_searched(self) -> Self:
        if self.mode == "trace":
            raise mistake("a trace has no level that can be searched", at="mode")
        if not set_limits(self.limits):
            raise mistake("a sweep needs a limit: of ttft, tpot or end_to_end", at="limits")
        if self.sweep.highest is not None and self.sweep.highest < self.level:
            raise mistake(f"a sweep that begins at {self.level:g} cannot end below", at="sweep")
        return self

    @property
    def level(self) -> float:
        """The level at which the search begins."""
        return float(self.users or self.rate or 0)

    @property
    def unit(self) -> str:
        return "users" if self.mode == "closed" else "requests/s"

    def at_level(self, level: float) -> Spec:
        """Returns the run of one level, with no more client processes than users."""
        values = self.model_dump(exclude={"sweep"})
        if self.mode != "closed":
            return Spec.model_validate(values | {"rate": level})
        users = int(level)
        return Spec.model_validate(values | {"users": users, "procs": min(self.procs, users)})


def broken_limits(limits: Limits, values: Mapping[str, float | None]) -> tuple[str, ...]:
    """Returns the limits that the values do not keep; what was not measured keeps none."""
    return tuple(
        name
        for name, limit in set_limits(limits).items()
        if (value := values[name]) is None or value > limit
    )


def set_limits(limits: Limits) -> dict[str, float]:
    """Returns the limits that are set, in seconds, by their fields."""
    return {name: value for name, value in limits.model_dump().items() if value is not None}
