"""Runs put together: repeats as cells, cells of equal conditions as groups."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from benchmarks.load.spec import Spec
from benchmarks.report.conditions import Condition, condition, variants
from benchmarks.report.metrics import Metric, Spread, spread_of_repeats, uncertainty
from benchmarks.report.runs import ReportedCell, Run
from benchmarks.results.schema import Result

UNKNOWN_HASH = ""
"""The hash of the prompts of an imported run."""


@dataclass(frozen=True)
class Place:
    """Where a run belongs: one backend at one level of load, in users or in requests per second."""

    condition: Condition
    backend: str
    level: float
    unit: str


@dataclass(frozen=True)
class Cell:
    """The repeats at one place. `missing` are those that a study has not measured, and
    `other_sessions` the starts of the study, but for the one that measured most of the group."""

    place: Place
    runs: tuple[Run, ...]
    missing: tuple[ReportedCell, ...] = ()
    other_sessions: tuple[str, ...] = ()

    @property
    def condition(self) -> Condition:
        return self.place.condition

    @property
    def backend(self) -> str:
        return self.place.backend

    @property
    def level(self) -> float:
        return self.place.level

    @cached_property
    def valid(self) -> tuple[Result, ...]:
        return tuple(run.result for run in self.runs if run.result.verdict.valid)

    @cached_property
    def void(self) -> tuple[Run, ...]:
        return tuple(run for run in self.runs if not run.result.verdict.valid)

    @property
    def planned(self) -> int:
        """The number of repeats, with those that have no result."""
        return len(self.runs) + len(self.missing)

    @property
    def machines(self) -> set[tuple[str, ...]]:
        """The hosts that measured the valid runs, each with its GPUs."""
        environments = (result.environment for result in self.valid)
        return {(environment.host, *environment.gpus) for environment in environments}

    @property
    def load(self) -> str:
        return level_name(self.level, self.place.unit)

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
        return self.cells[0].place.unit

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


def groups(
    runs: Iterable[Run], missing: Mapping[Place, Sequence[ReportedCell]] | None = None
) -> list[Group]:
    """Returns the runs by condition. Void runs are in their cells, but no number counts them;
    `missing` are the cells of studies without a result."""
    runs, missing = list(runs), missing or {}
    by_place: dict[Place, list[Run]] = {place: [] for place in missing}
    for run, place in zip(runs, places(runs), strict=True):
        by_place.setdefault(place, []).append(run)
    by_condition: dict[Condition, list[Place]] = {}
    for place in sorted(by_place, key=lambda place: (place.level, place.backend)):
        by_condition.setdefault(place.condition, []).append(place)
    result = []
    for shared, members in sorted(by_condition.items(), key=lambda each: each[0].order):
        main = _main_session([run for place in members for run in by_place[place]])
        cells = (_cell(each, by_place[each], missing.get(each, ()), main) for each in members)
        result.append(Group(shared, tuple(cells)))
    return result


def _cell(
    place: Place, runs: Iterable[Run], missing: Iterable[ReportedCell], main: str | None
) -> Cell:
    ordered = sorted(runs, key=lambda run: (run.result.subject.repeat, run.where))
    valid = (run for run in ordered if run.result.verdict.valid)
    others = {run.session for run in valid} - {main, None}
    return Cell(place, tuple(ordered), tuple(missing), tuple(sorted(map(str, others))))


def _main_session(runs: Iterable[Run]) -> str | None:
    """Returns the session that measured most of the runs, the earlier one of two."""
    counts = Counter(run.session for run in runs)
    return max(sorted(counts, key=str), key=lambda each: counts[each], default=None)


def places(runs: Sequence[Run]) -> list[Place]:
    """Returns where each run belongs. A backend with several schemes of one condition, such as awq
    and gptq, is named with each."""
    names = variants([run.result.subject for run in runs])
    conditions = [condition(run.result) for run in runs]
    schemes: dict[tuple[Condition, str], set[str | None]] = {}
    for run, name, shared in zip(runs, names, conditions, strict=True):
        schemes.setdefault((shared, name), set()).add(run.result.subject.quantization)
    result = []
    for run, name, shared in zip(runs, names, conditions, strict=True):
        several = len(schemes[shared, name]) > 1
        own = f"{name}, {run.result.subject.quantization}" if several else name
        load = run.result.load
        unit = {"closed": "users", "trace": "× the trace"}.get(load.mode, "requests/s")
        result.append(Place(shared, own, _level(load), unit))
    return result


def _level(load: Spec) -> float:
    level = load.users if load.mode == "closed" else load.rate or load.trace_speed
    return float(level or 0)
