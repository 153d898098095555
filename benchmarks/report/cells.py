"""Runs put together: repeats as cells, cells of equal conditions as groups."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from benchmarks.load.spec import Spec
from benchmarks.report.metrics import Metric, Spread, spread_of_repeats, uncertainty
from benchmarks.report.runs import Run
from benchmarks.results.schema import Result, Subject

FOUR_BITS = re.compile(r"awq|gptq|int4|w4a|q4f|q4_|nvfp4|mxfp4|4[-_]?bit")
"""A part of the names of 4-bit schemes; `w4a8` has 4-bit weights too."""
UNKNOWN_HASH = ""
"""The hash of the prompts of an imported run."""
LOCATION_SETTINGS = frozenset(
    {"model", "quantization", "engine_dir", "engine_url", "served_model_name"}
)
"""Settings that say which model it is and where it lies; they make no variant of a backend."""


@dataclass(frozen=True, order=True)
class Condition:
    """Holds what must be equal for two backends to be compared. `shape` is the load except its
    level."""

    model: str
    quantization: str
    system_prompt: str
    shape: str

    @property
    def title(self) -> str:
        return f"{self.model}, {self.quantization}, {self.system_prompt}"

    @property
    def key(self) -> str:
        text = "\0".join((self.model, self.quantization, self.system_prompt, self.shape))
        return hashlib.sha256(text.encode()).hexdigest()[:8]


@dataclass(frozen=True)
class Cell:
    """The repeats of one backend at one level of load, in users or in requests per second."""

    condition: Condition
    backend: str
    level: float
    unit: str
    runs: tuple[Run, ...]

    @cached_property
    def valid(self) -> tuple[Result, ...]:
        return tuple(run.result for run in self.runs if run.result.verdict.valid)

    @cached_property
    def void(self) -> tuple[Run, ...]:
        return tuple(run for run in self.runs if not run.result.verdict.valid)

    @property
    def machines(self) -> set[tuple[str, ...]]:
        """The hosts that measured the valid runs, each with its GPUs."""
        environments = (result.environment for result in self.valid)
        return {(environment.host, *environment.gpus) for environment in environments}

    @property
    def load(self) -> str:
        return level_name(self.level, self.unit)

    def spread(self, metric: Metric) -> Spread | None:
        return spread_of_repeats(self.valid, metric)

    def uncertainty(self, metric: Metric) -> Spread | None:
        return uncertainty(self.valid, metric)


@dataclass(frozen=True)
class Group:
    """The cells of one condition, in the order of their levels and then of their backends."""

    condition: Condition
    cells: tuple[Cell, ...]

    @property
    def measured(self) -> list[Cell]:
        return [cell for cell in self.cells if cell.valid]

    @property
    def levels(self) -> list[float]:
        return sorted({cell.level for cell in self.measured})

    @property
    def backends(self) -> list[str]:
        return sorted({cell.backend for cell in self.measured})

    @property
    def unit(self) -> str:
        return self.cells[0].unit

    def cells_at(self, level: float) -> list[Cell]:
        return [cell for cell in self.measured if cell.level == level]

    @property
    def same_prompts(self) -> bool:
        """Returns whether all backends were sent the same prompts in the same order, repeat by
        repeat."""
        hashes: dict[tuple[float, int], set[str]] = {}
        for cell in self.measured:
            for result in cell.valid:
                key = (cell.level, result.subject.repeat)
                hashes.setdefault(key, set()).add(result.prompts.hash)
        return all(len(each) == 1 and each != {UNKNOWN_HASH} for each in hashes.values())


def level_name(level: float, unit: str) -> str:
    name = unit if unit != "users" or level != 1 else "user"
    return f"{level:g} {name}"


def groups(runs: Iterable[Run]) -> list[Group]:
    """Returns the runs by condition. Void runs are in their cells, but no number counts them."""
    runs = list(runs)
    names = variants([run.result.subject for run in runs])
    cells: dict[tuple[Condition, str, float], list[Run]] = {}
    for run, name in zip(runs, names, strict=True):
        load = run.result.load
        key = (condition(run.result), name, _level(load))
        cells.setdefault(key, []).append(run)
    by_condition: dict[Condition, list[Cell]] = {}
    for (shared, name, level), repeats in cells.items():
        unit = "requests/s" if repeats[0].result.load.mode != "closed" else "users"
        ordered = tuple(sorted(repeats, key=lambda run: (run.result.subject.repeat, run.where)))
        by_condition.setdefault(shared, []).append(Cell(shared, name, level, unit, ordered))
    return [
        Group(shared, tuple(sorted(members, key=lambda cell: (cell.level, cell.backend))))
        for shared, members in sorted(by_condition.items())
    ]


def condition(result: Result) -> Condition:
    subject, load = result.subject, result.load
    return Condition(
        model=subject.model,
        quantization=_quantization_name(subject.quantization),
        system_prompt=_system_prompt_name(load.system_prompt),
        shape=_shape(result),
    )


def _quantization_name(quantization: str | None) -> str:
    """Returns one name for all 4-bit schemes: each engine has its own, and they are compared."""
    if quantization is None:
        return "quantization not told"
    return "4-bit weights" if FOUR_BITS.search(quantization.lower()) else quantization


def variants(subjects: Sequence[Subject]) -> list[str]:
    """Returns the name of each subject's backend, with those settings that its runs differ in."""
    by_backend: dict[str, list[Mapping[str, str]]] = {}
    for subject in subjects:
        by_backend.setdefault(subject.backend, []).append(subject.settings)
    return [_variant(subject, by_backend[subject.backend]) for subject in subjects]


def _variant(subject: Subject, all_settings: Sequence[Mapping[str, str]]) -> str:
    names = sorted({name for settings in all_settings for name in settings} - LOCATION_SETTINGS)
    differing = [
        f"{name}={subject.settings.get(name, 'default')}"
        for name in names
        if len({settings.get(name) for settings in all_settings}) > 1
    ]
    return f"{subject.backend} ({', '.join(differing)})" if differing else subject.backend


def _system_prompt_name(text: str | None) -> str:
    if not text:
        return "no system prompt"
    return f"system prompt {hashlib.sha256(text.encode()).hexdigest()[:6]}"


def _level(load: Spec) -> float:
    level = load.users if load.mode == "closed" else load.rate
    return float(level or 0)


def _limits(load: Spec) -> str:
    named = {"TTFT": load.limits.ttft, "TPOT": load.limits.tpot, "whole": load.limits.end_to_end}
    texts = [f"{name} {limit:g} s" for name, limit in named.items() if limit is not None]
    return f"goodput within {' and '.join(texts)}" if texts else ""


def _shape(result: Result) -> str:
    load = result.load
    parts = [
        {"closed": "closed loop", "poisson": "Poisson arrivals", "constant": "constant arrivals"}[
            load.mode
        ],
        f"{load.duration:g} s, of which {load.ramp:g} s are the ramp",
        {"generate": "/generate", "chat": "chat", "completions": "completions"}[load.protocol],
        f"{result.prompts.count} prompts from {result.prompts.source}",
        _limits(load),
        "no limit of tokens" if load.max_tokens is None else f"at most {load.max_tokens} tokens",
        "end tokens ignored" if load.ignore_eos else "",
        "" if load.temperature is None else f"temperature {load.temperature:g}",
        f"{load.turns} turns" if load.turns > 1 else "",
        "" if result.client == "load" else f"measured by {result.client}",
    ]
    return ", ".join(part for part in parts if part)
