"""The times of the start add up, whoever asks and when."""

import time
from types import SimpleNamespace

import pytest

from common.serving.start_phases import StartPhases


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    now = SimpleNamespace(seconds=100.0)
    monkeypatch.setattr(time, "monotonic", lambda: now.seconds)
    return now


def test_every_second_belongs_to_one_phase(clock: SimpleNamespace) -> None:
    phases = StartPhases(before=2.0)
    clock.seconds += 1
    assert (phases.current, phases.running, phases.seconds) == ("start", 3.0, {"start": 3.0})
    phases.enter("load")
    clock.seconds += 10
    phases.enter("load")
    assert phases.running == 10
    phases.enter("warm-up")
    clock.seconds += 0.5
    assert phases.seconds == {"start": 3.0, "load": 10.0, "warm-up": 0.5}
    assert phases.total == 13.5
    assert phases.describe() == "start 3.0 s, load 10.0 s"


def test_a_phase_that_comes_back_adds_up(clock: SimpleNamespace) -> None:
    phases = StartPhases()
    for name in ("load", "compile", "load"):
        phases.enter(name)
        clock.seconds += 4
    assert phases.seconds == {"start": 0.0, "load": 8.0, "compile": 4.0}


def test_the_clock_stands_still_once_it_is_ready(clock: SimpleNamespace) -> None:
    phases = StartPhases()
    phases.enter("load")
    clock.seconds += 4
    phases.finish()
    clock.seconds += 100
    phases.enter("warm-up")
    phases.finish()
    assert (phases.seconds, phases.running, phases.total) == ({"start": 0.0, "load": 4.0}, 0, 4)
