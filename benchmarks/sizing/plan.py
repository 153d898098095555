"""Replicas, GPUs and cost of a load, from what one replica bears."""

from dataclasses import dataclass
from math import ceil

from benchmarks.sizing.capacity import Configuration, Level, Objective

FAR = 0.25
"""Lengths that differ by more than this part from the measured ones were not measured."""


@dataclass(frozen=True)
class Load:
    """What has to be served at the peak; the lengths are means of a request, None where unknown."""

    users: int
    tokens_per_second: float | None = None
    prompt_tokens: int | None = None
    answer_tokens: int | None = None


@dataclass(frozen=True)
class Plan:
    """`price_per_hour` is of one GPU or, without any, of one machine; `gaps` are sentences that say
    what the runs do not cover. Without a capacity there are no replicas."""

    configuration: Configuration
    capacity: Level | None
    replicas: int | None
    price_per_hour: float | None
    gaps: tuple[str, ...]

    @property
    def gpus(self) -> int | None:
        return None if self.replicas is None else self.replicas * self.configuration.gpus

    @property
    def cost_per_hour(self) -> float | None:
        if self.replicas is None or self.price_per_hour is None:
            return None
        return self.replicas * max(1, self.configuration.gpus) * self.price_per_hour


def plan(
    configuration: Configuration,
    load: Load,
    objective: Objective,
    spare: int = 0,
    price_per_hour: float | None = None,
) -> Plan:
    """Returns how many replicas bear the load, `spare` of which may be missing."""
    capacity = configuration.capacity(objective)
    replicas = None
    if capacity is not None:
        wanted = [load.users / capacity.users]
        if load.tokens_per_second is not None:
            wanted.append(load.tokens_per_second / capacity.tokens_per_second)
        replicas = ceil(max(wanted)) + spare
    gaps = (
        *_void_gaps(configuration),
        *_load_gaps(configuration, capacity, objective),
        *_length_gaps(configuration, load),
    )
    return Plan(configuration, capacity, replicas, price_per_hour, gaps)


def _void_gaps(configuration: Configuration) -> list[str]:
    return [
        f"every run of {users} users is void and was left out: {reason}"
        for users, reason in configuration.void_levels.items()
    ]


def _load_gaps(
    configuration: Configuration, capacity: Level | None, objective: Objective
) -> list[str]:
    levels = configuration.levels
    if capacity is None:
        least = levels[0]
        return [
            f"the least load measured, {least.users} users, is too much: "
            f"{least.broken(objective)[0]}; measure fewer users, or allow more"
        ]
    if capacity is levels[-1]:
        return [
            f"more than {capacity.users} users on one replica were not measured, and it may bear "
            "them: this is an upper bound of the replicas"
        ]
    above = levels[levels.index(capacity) + 1]
    if above.users > 2 * capacity.users:
        return [
            f"nothing was measured between {capacity.users} users, which it bears, and "
            f"{above.users}, which it does not: the replicas may be up to "
            f"{above.users / capacity.users:.1f} times too many"
        ]
    return []


def _length_gaps(configuration: Configuration, load: Load) -> list[str]:
    pairs = (
        ("prompts", load.prompt_tokens, configuration.prompt_tokens),
        ("answers", load.answer_tokens, configuration.answer_tokens),
    )
    return [
        f"{what} of {asked} tokens were not measured: those of the runs have {measured:.0f} in the "
        "mean; measure yours"
        for what, asked, measured in pairs
        if asked is not None and abs(asked - measured) > FAR * measured
    ]
