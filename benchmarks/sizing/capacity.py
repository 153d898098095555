"""What one replica bears, as far as runs have measured it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from benchmarks.load.spec import Limits
from benchmarks.load.sweep_spec import LIMIT_NAMES, broken_limits, set_limits
from benchmarks.report.controls import is_control
from benchmarks.results.frontier import gpu_count
from benchmarks.results.schema import FAILED, Distribution, Phase, Result, Subject


@dataclass(frozen=True)
class Objective:
    """Limits that a percentile of the requests has to keep, and that no request may fail."""

    limits: Limits = field(default_factory=Limits)
    percentile: str = "p95"

    def broken_by(self, phase: Phase) -> list[str]:
        """Returns a phrase for each limit that the requests of a phase did not keep."""
        failed = sum(phase.outcomes.get(outcome, 0) for outcome in FAILED)
        limits = set_limits(self.limits)
        values = {name: self._value(phase, name) for name in limits}
        return [f"{failed} requests failed"] * (failed > 0) + [
            self._phrase(name, values[name], limits[name])
            for name in broken_limits(self.limits, values)
        ]

    def _value(self, phase: Phase, name: str) -> float | None:
        measured: Distribution | None = getattr(phase, name)
        return None if measured is None else getattr(measured, self.percentile)

    def _phrase(self, name: str, value: float | None, limit: float) -> str:
        if value is None:
            return f"{LIMIT_NAMES[name]} was not measured"
        return f"{self.percentile} of {LIMIT_NAMES[name]}, {value:.3g} s, is above {limit:g} s"


@dataclass(frozen=True)
class Level:
    """All runs of one number of users; the worst of them counts."""

    users: int
    phases: tuple[Phase, ...]

    @property
    def tokens_per_second(self) -> float:
        return min(phase.tokens_per_second for phase in self.phases)

    def broken(self, objective: Objective) -> list[str]:
        return [each for phase in self.phases for each in objective.broken_by(phase)]


@dataclass(frozen=True, order=True)
class Configuration:
    """One replica of a backend, and the levels of load that were measured on it, in order."""

    backend: str
    series: str
    model: str
    quantization: str
    settings: tuple[tuple[str, str], ...]
    gpus: int
    machine: str
    prompts: str
    results: tuple[Result, ...] = field(default=(), repr=False, compare=False)

    @property
    def title(self) -> str:
        parts = (self.backend, self.series, self.model, self.quantization)
        size = f"{self.gpus} GPU" + "s" * (self.gpus > 1) if self.gpus else "no GPU"
        return f"{' '.join(filter(None, parts))}, {size} ({self.machine}), {self.prompts}"

    @property
    def subject(self) -> Subject:
        """Returns that of any run: they differ in nothing that is asked of it here."""
        return self.results[0].subject

    @cached_property
    def levels(self) -> tuple[Level, ...]:
        phases: dict[int, list[Phase]] = {}
        for result in self.results:
            if result.verdict.valid:
                phases.setdefault(_users(result), []).append(result.plateau)
        return tuple(Level(users, tuple(phases[users])) for users in sorted(phases))

    @property
    def void_levels(self) -> dict[int, str]:
        """Returns the numbers of users of which every run is void, with the reason of one."""
        reasons = {
            _users(result): result.verdict.reasons[0]
            for result in self.results
            if not result.verdict.valid
        }
        valid = {level.users for level in self.levels}
        return {users: reasons[users] for users in sorted(reasons.keys() - valid)}

    @property
    def prompt_tokens(self) -> float:
        """Returns the mean of a request."""
        return self._mean("prompt_tokens")

    @property
    def answer_tokens(self) -> float:
        return self._mean("output_tokens")

    def capacity(self, objective: Objective) -> Level | None:
        """Returns the highest level below which all keep the objective, None where none does."""
        best = None
        for level in self.levels:
            if level.broken(objective):
                break
            best = level
        return best

    def _mean(self, name: str) -> float:
        phases: Sequence[Phase] = [phase for level in self.levels for phase in level.phases]
        requests = sum(sum(phase.outcomes.values()) for phase in phases)
        tokens: int = sum(getattr(phase, name) for phase in phases)
        return tokens / max(1, requests)


def configurations(results: Iterable[Result]) -> list[Configuration]:
    """Returns what was measured with users in a closed loop: no controls, and nothing of which all
    runs are void.

    Runs with other prompts, another system prompt or other settings are a configuration of their
    own.
    """
    groups: dict[Configuration, list[Result]] = {}
    for result in results:
        if result.load.users is not None and not is_control(result.subject):
            groups.setdefault(_without_results(result), []).append(result)
    configurations = [replace(each, results=tuple(groups[each])) for each in sorted(groups)]
    return [configuration for configuration in configurations if configuration.levels]


def _without_results(result: Result) -> Configuration:
    """Returns the configuration that a run is one of."""
    subject, environment = result.subject, result.environment
    return Configuration(
        backend=subject.backend,
        series=subject.series or "",
        model=subject.model,
        quantization=subject.quantization or "none",
        settings=tuple(sorted(subject.settings.items())),
        gpus=gpu_count(result) or 0,
        machine=environment.gpus[0] if environment.gpus else environment.host,
        prompts=_prompts(result),
    )


def _users(result: Result) -> int:
    assert result.load.users is not None
    return result.load.users


def _prompts(result: Result) -> str:
    system = "with" if result.load.system_prompt else "without"
    return f"prompts {result.prompts.source} {system} a system prompt"
