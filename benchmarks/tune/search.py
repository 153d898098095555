"""One knob after the other: the value that helps most is kept, and the next knob is tried on it."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal

from benchmarks.results.schema import Record
from benchmarks.tune.knobs import Knob, with_value

LEAST_GAIN = 0.02
"""The share by which a trial has to be better, where the defaults repeat more exactly."""


class Trial(Record):
    """One start with `settings`, and its score, None where it has none; `reason` says why. `change`
    is the knob that was tried, and `best` whether its settings were the best by then."""

    number: int
    change: str
    settings: dict[str, Any]
    score: float | None
    reason: str | None = None
    seconds: float
    best: bool = False


class Tuning(Record):
    """tuning.json. `noise` is the share by which two trials of the defaults differ, and at least
    LEAST_GAIN: what is better by less is not kept. `settings` are the best ones, `gain` is by what
    share they are better than the defaults, and `end` a sentence of why the search ended."""

    schema_version: Literal[1] = 1
    backend: str
    cell: str
    goal: str
    better: Literal["high", "low"]
    budget: float
    noise: float | None = None
    trials: tuple[Trial, ...] = ()
    settings: dict[str, Any]
    score: float | None = None
    gain: float | None = None
    end: str | None = None


Try = Callable[[int, Mapping[str, Any]], Awaitable[tuple[float | None, str | None]]]
"""Measures a trial by its number and settings; returns its score, or None and the reason."""


class KnobSearch:
    """Goes through the knobs once. `save` is called after each trial with what is known by then."""

    def __init__(
        self,
        tuning: Tuning,
        measure: Try,
        save: Callable[[Tuning], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.tuning = tuning
        self._measure = measure
        self._save = save
        self._clock = clock
        self._begun = clock()

    async def run(self, knobs: Sequence[Knob]) -> Tuning:
        """Returns the outcome: after the last knob, or when no trial fits the budget any more."""
        if not await self._measure_defaults():
            return self._ended("the defaults have no score")
        for knob in knobs:
            base = self.tuning.settings
            for value in knob.values:
                settings = with_value(base, knob.setting, value)
                if settings == base:
                    continue
                if not self._fits():
                    return self._ended("the budget of time is spent")
                await self._try(f"{knob.setting}: {value}", settings)
        return self._ended("every knob was tried")

    async def _measure_defaults(self) -> bool:
        """Measures them twice, to learn by how much equal trials differ."""
        base = self.tuning.settings
        first = await self._try("defaults", base)
        second = await self._try("defaults again", base) if first is not None else None
        if first is None or second is None:
            return False
        noise = max(abs(first - second) / max(first, second, 1e-9), LEAST_GAIN)
        self._update(noise=noise, score=(first + second) / 2)
        return True

    async def _try(self, change: str, settings: Mapping[str, Any]) -> float | None:
        number, begun = len(self.tuning.trials) + 1, self._clock()
        score, reason = await self._measure(number, settings)
        best = score is not None and self._gain(score) > (self.tuning.noise or 0)
        trial = Trial(
            number=number,
            change=change,
            settings=dict(settings),
            score=score,
            reason=reason,
            seconds=round(self._clock() - begun, 1),
            best=best and self.tuning.score is not None,
        )
        self._update(trials=(*self.tuning.trials, trial))
        if trial.best:
            self._update(settings=trial.settings, score=score)
        return score

    def _gain(self, score: float) -> float:
        """Returns by what share a score is better than the best one by now."""
        before = self.tuning.score
        if not before:
            return 0.0
        share = score / before - 1
        return share if self.tuning.better == "high" else -share

    def _fits(self) -> bool:
        """Returns whether a trial of the usual length ends within the budget."""
        usual = sorted(trial.seconds for trial in self.tuning.trials)[len(self.tuning.trials) // 2]
        return self._clock() - self._begun + usual <= self.tuning.budget

    def _ended(self, reason: str) -> Tuning:
        defaults = [t.score for t in self.tuning.trials[:2] if t.score is not None]
        if defaults and self.tuning.score is not None:
            share = self.tuning.score / (sum(defaults) / len(defaults)) - 1
            self._update(gain=share if self.tuning.better == "high" else -share)
        self._update(end=reason)
        return self.tuning

    def _update(self, **values: Any) -> None:
        self.tuning = self.tuning.model_copy(update=values)
        self._save(self.tuning)
