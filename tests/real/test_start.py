"""The engine starts with the demo model, answers, and leaves nothing behind."""

import time
from collections.abc import Callable

from tests.conftest import SETTINGS
from tests.contract.support import GENERATE, post
from tests.processes.test_stop import assert_gone, family
from tests.real.marks import real
from tests.service_process import REAL, loads_weights, start_service

pytestmark = real()
Record = Callable[[str, object], None]


def test_the_demo_model_is_served_and_nothing_is_left(
    record_testsuite_property: Record,
) -> None:
    assert REAL is not None
    began = time.monotonic()
    with start_service(REAL, **SETTINGS.get(REAL, {})) as service:
        record_testsuite_property("ready after, s", f"{time.monotonic() - began:.1f}")
        record_testsuite_property("engine", service.http.get("/version").json()["version"])
        answer = post(service, GENERATE, "What is the capital of France?", temperature=0)
        assert answer.status_code == 200, answer.text
        if loads_weights(REAL):
            assert "Paris" in answer.text
        processes = family(service)
    assert_gone(processes)
