"""A cold start is visible while it lasts, and afterwards: in /readyz, the log and the metrics."""

import re

import pytest

from tests.conftest import EchoFactory, require_backend
from tests.contract.support import Samples, assert_error
from tests.contract.test_echo_settings import answers
from tests.service_process import Service, eventually, start_service

DELAYS = {"start_delay": 3, "compile_delay": 2, "warm_up_delay": 1}
PHASES = ("start", "load", "compile", "warm-up")


def phases_of(service: Service) -> dict[str, float]:
    family = Samples(service).families["gen_ai_server_start_phase_seconds"]
    return {sample.labels["phase"]: sample.value for sample in family.samples}


def logged(service: Service) -> dict[str, float]:
    (line,) = re.findall(r"ready after ([\d.]+) s: (.*)", service.log_text())
    found = {name: float(value) for name, value in re.findall(r"([\w-]+) ([\d.]+) s", line[1])}
    assert sum(found.values()) == pytest.approx(float(line[0]), abs=0.3)
    return found


def assert_all_agree(service: Service, phases: tuple[str, ...]) -> dict[str, float]:
    """Each place tells the same phases, to its own precision."""
    told: dict[str, float] = service.http.get("/readyz").json()["start_seconds"]
    assert tuple(told) == phases
    assert phases_of(service) == pytest.approx(told, abs=0.01)
    assert logged(service) == pytest.approx(told, abs=0.11)
    samples = Samples(service)
    assert samples["start_seconds"] == pytest.approx(sum(told.values()), abs=0.01)
    assert samples["ready"] == 1
    return told


def test_a_start_is_told_phase_by_phase(fresh_echo_service: EchoFactory) -> None:
    service = fresh_echo_service(wait=False, engine_args=DELAYS)
    eventually(lambda: answers(service), 30, "HTTP is up")
    seen: list[str] = []

    def ready() -> bool:
        response = service.http.get("/readyz")
        if response.status_code == 200:
            return True
        message = assert_error(response, 503, "not_ready")
        told = re.fullmatch(
            r"the service is starting: phase '([\w-]+)' for \d+ s, after (start \d.*)", message
        )
        assert told is not None, message
        assert re.findall(r"([\w-]+) [\d.]+ s", told[2]) == list(PHASES[: PHASES.index(told[1])])
        if told[1] not in seen:
            seen.append(told[1])
            assert Samples(service)["ready"] == 0
            assert phases_of(service).keys() >= {"start", told[1]}
        return False

    eventually(ready, 60, "it is ready")
    assert seen == ["load", "compile", "warm-up"]
    told = assert_all_agree(service, PHASES)
    # Imports alone take longer than this.
    assert told["start"] > 0.1
    for phase, delay in zip(PHASES[1:], DELAYS.values(), strict=True):
        assert told[phase] >= delay * 0.99
    later = service.http.get("/readyz").json()["start_seconds"]
    assert later == told


def test_transformers_tells_its_loading_and_its_warm_up() -> None:
    require_backend("transformers")
    with start_service("transformers") as service:
        told = assert_all_agree(service, ("start", "load", "warm-up"))
        assert min(told.values()) > 0


def test_a_dead_engine_is_seen_in_the_metrics(fresh_echo_service: EchoFactory) -> None:
    service = fresh_echo_service(engine_args={"failure": "death", "fail_after": 1})
    assert Samples(service)["ready"] == 1
    body = {"prompt": "Hello", "max_tokens": 5, "ignore_eos": True}
    service.http.post("/v1/completions", json=body)
    assert Samples(service)["ready"] == 0
