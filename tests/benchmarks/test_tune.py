"""The tuner: which knobs it tries, what it keeps, and when it ends."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks.study.reading import plan
from benchmarks.study.yaml_text import StudyError
from benchmarks.tune.__main__ import outcome_text
from benchmarks.tune.knobs import Knob, declared_knobs, tuned_backends, with_value
from benchmarks.tune.search import KnobSearch, Tuning
from benchmarks.tune.trials import target_of, trial_cell
from common.settings import Settings
from services._backends import backends
from tests.benchmarks.study.support import study, written

KNOBS = (
    Knob(setting="engine_args.size", values=(2, 8), about="how much at once"),
    Knob(setting="max_concurrency", values=(64, 512), about="how many"),
)


class Engine:
    """An engine whose score is known for any settings; each trial takes ten seconds."""

    def __init__(self, scores: Mapping[str, float | None], budget: float = 1000) -> None:
        self.seconds = 0.0
        self.saved: list[Tuning] = []
        self._scores = scores
        self.search = KnobSearch(
            Tuning(
                backend="b", cell="c", goal="rate", better="high", budget=budget,
                settings={"max_concurrency": 256},
            ),
            self._measure,
            self.saved.append,
            lambda: self.seconds,
        )  # fmt: skip

    async def _measure(
        self, number: int, settings: Mapping[str, Any]
    ) -> tuple[float | None, str | None]:
        self.seconds += 10
        named = {**settings, **settings.get("engine_args", {})}
        score: float | None = 100.0 + number % 2
        for name, value in named.items():
            factor = self._scores.get(f"{name}={value}", 1.0)
            score = None if factor is None or score is None else score * factor
        return score, None if score is not None else "failed: the engine refuses it"


async def test_the_best_value_of_each_knob_is_kept_and_the_next_is_tried_on_it() -> None:
    engine = Engine({"size=2": 1.1, "size=8": 1.3, "max_concurrency=512": 0.9})
    tuning = await engine.search.run(KNOBS)
    assert [trial.change for trial in tuning.trials] == [
        "defaults", "defaults again", "engine_args.size: 2", "engine_args.size: 8",
        "max_concurrency: 64", "max_concurrency: 512",
    ]  # fmt: skip
    assert tuning.settings == {"max_concurrency": 256, "engine_args": {"size": 8}}
    assert tuning.trials[4].settings["engine_args"] == {"size": 8}
    assert tuning.gain == pytest.approx(0.3, abs=0.02)
    assert tuning.end == "every knob was tried"
    assert engine.saved[-1] == tuning
    assert (
        '"series": "tuned", "settings": {"max_concurrency": 256, "engine_args": {"size": 8}}'
        in (outcome_text(tuning))
    )


async def test_what_is_better_by_less_than_chance_is_not_kept() -> None:
    tuning = await Engine({"size=8": 1.015}).search.run(KNOBS)
    assert tuning.noise == 0.02
    assert tuning.settings == {"max_concurrency": 256}
    assert "nothing was better than the defaults" in outcome_text(tuning)


async def test_a_value_that_the_engine_refuses_is_a_trial_with_the_reason() -> None:
    tuning = await Engine({"size=2": None}).search.run(KNOBS)
    assert tuning.trials[2].score is None
    assert "engine_args.size: 2: failed: the engine refuses it in 10 s" in outcome_text(tuning)


async def test_no_trial_begins_that_would_not_fit_the_budget() -> None:
    tuning = await Engine({}, budget=35).search.run(KNOBS)
    assert len(tuning.trials) == 3
    assert tuning.end == "the budget of time is spent"


async def test_defaults_without_a_score_end_the_search() -> None:
    tuning = await Engine({"max_concurrency=256": None}).search.run(KNOBS)
    assert (len(tuning.trials), tuning.end) == (1, "the defaults have no score")
    assert outcome_text(tuning).endswith("end: the defaults have no score")


@pytest.mark.parametrize("backend", tuned_backends())
def test_each_backend_declares_settings_that_there_are(backend: str) -> None:
    assert backend in backends()
    for knob in declared_knobs(backend):
        for value in knob.values:
            Settings(**with_value({}, knob.setting, value))


def test_a_trial_is_the_highest_load_of_a_study(tmp_path: Path) -> None:
    prompts = {"system_prompt": ["none"], "load": {"users": [4, 16, 8], "duration": 1}}
    targets = [{"backend": "echo"}, {"url": "http://there", "label": "theirs"}]
    read = plan(written(tmp_path, study(backends=targets, repeats=3, **prompts)))
    reduced, cell = trial_cell(read, target_of(read, "echo"))
    assert cell.spec.users == 16
    assert len(reduced.study.backends) == 1
    with pytest.raises(StudyError, match="only a service that the study starts can be tuned"):
        target_of(read, "theirs")
