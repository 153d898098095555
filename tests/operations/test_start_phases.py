"""A cold start is visible while it lasts, and afterwards: in /readyz, the log and the metrics."""

import re

from tests.conftest import EchoFactory
from tests.contract.support import Samples, assert_error
from tests.contract.test_echo_settings import answers
from tests.contract.test_start_phases import phases_of, phases_that_agree
from tests.service_process import eventually

DELAYS = {"start_delay": 0.3, "compile_delay": 0.2, "warm_up_delay": 0.1}
PHASES = ("start", "load", "compile", "warm-up")


def test_a_start_that_lasts_says_in_which_phase_it_is(fresh_echo_service: EchoFactory) -> None:
    lasting = {**DELAYS, "warm_up_delay": 3600}
    service = fresh_echo_service(wait=False, engine_args=lasting)
    eventually(lambda: answers(service), 240, "HTTP is up")
    eventually(lambda: service.http.get("/metrics").status_code == 200, 240, "the model is open")
    eventually(lambda: "warm-up" in phases_of(service), 240, "it warms up")
    message = assert_error(service.http.get("/readyz"), 503, "not_ready")
    told = re.fullmatch(
        r"the service is starting: phase 'warm-up' for \d+ s, after (start \d.*)", message
    )
    assert told is not None, message
    assert re.findall(r"([\w-]+) [\d.]+ s", told[1]) == list(PHASES[:-1])
    assert tuple(phases_of(service)) == PHASES
    assert Samples(service)["ready"] == 0


def test_a_start_that_has_ended_says_how_long_each_phase_took(
    fresh_echo_service: EchoFactory,
) -> None:
    service = fresh_echo_service(engine_args=DELAYS)
    told = phases_that_agree(service)
    assert tuple(told) == PHASES
    # Imports alone take longer than this.
    assert told["start"] > 0.1
    for phase, delay in zip(PHASES[1:], DELAYS.values(), strict=True):
        assert told[phase] >= delay * 0.99
    later = service.http.get("/readyz").json()["start_seconds"]
    assert later == told


def test_a_dead_engine_is_seen_in_the_metrics(fresh_echo_service: EchoFactory) -> None:
    service = fresh_echo_service(engine_args={"failure": "death", "fail_after": 1})
    assert Samples(service)["ready"] == 1
    body = {"prompt": "Hello", "max_tokens": 5, "ignore_eos": True}
    service.http.post("/v1/completions", json=body)
    assert Samples(service)["ready"] == 0
