"""How long each phase of the start took: the same in /readyz, the log and the metrics."""

import re

import pytest

from tests.contract.support import Samples
from tests.service_process import Service, double, loads_weights


def phases_of(service: Service) -> dict[str, float]:
    """Returns the seconds of each phase, by the metrics."""
    family = Samples(service).families["gen_ai_server_start_phase_seconds"]
    return {sample.labels["phase"]: sample.value for sample in family.samples}


def logged(service: Service) -> dict[str, float]:
    """Returns the seconds of each phase, by the log."""
    (line,) = re.findall(r"ready after ([\d.]+) s: (.*)", service.log_text())
    found = {name: float(value) for name, value in re.findall(r"([\w-]+) ([\d.]+) s", line[1])}
    assert sum(found.values()) == pytest.approx(float(line[0]), abs=0.3)
    return found


def phases_that_agree(service: Service) -> dict[str, float]:
    """Returns the seconds of each phase; every place tells the same, to its own precision."""
    seconds: dict[str, float] = service.http.get("/readyz").json()["start_seconds"]
    assert phases_of(service) == pytest.approx(seconds, abs=0.01)
    assert logged(service) == pytest.approx(seconds, abs=0.11)
    samples = Samples(service)
    assert samples["start_seconds"] == pytest.approx(sum(seconds.values()), abs=0.01)
    assert samples["ready"] == 1
    return seconds


def test_each_phase_of_the_start_is_told_in_every_place(backend_service: Service) -> None:
    seconds = phases_that_agree(backend_service)
    assert list(seconds) == ["start", "load", "warm-up"]
    assert min(seconds["start"], seconds["load"]) > 0
    backend = backend_service.backend
    if loads_weights(backend) and double(backend) is None:
        assert seconds["warm-up"] > 0, "a model has answered"
