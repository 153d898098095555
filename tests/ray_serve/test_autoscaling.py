"""An app between one replica and two, on a cluster of two nodes of which each has room for one."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.ray_serve.conftest import TwoNodes, arguments
from tests.ray_serve.replicas import answers, running
from tests.ray_serve.streams import load
from tests.service_process import START_DEADLINE, Service, eventually, start_service

SCALING = {
    "min_replicas": 1,
    "max_replicas": 2,
    "target_ongoing_requests": 2,
    "upscale_delay_s": 0,
    "downscale_delay_s": 2,
    "metrics_interval_s": 0.5,
    "look_back_period_s": 1,
}


@pytest.fixture(scope="module")
def growing(two_nodes: TwoNodes) -> Iterator[Service]:
    given = arguments(two_nodes, autoscaling_config=SCALING)
    with start_service("ray_serve", engine_args=given) as service:
        yield service


async def test_an_app_grows_to_the_second_node_under_load_and_shrinks_after_it(
    growing: Service,
) -> None:
    eventually(lambda: len(running(growing)) == 1, START_DEADLINE, "one replica runs")
    async with load(growing) as streams:

        def both_answer() -> bool:
            return len(+answers(growing)) == 2

        await asyncio.to_thread(eventually, both_answer, START_DEADLINE, "a second one answers")
    print(streams.outcomes, answers(growing))
    assert streams.outcomes.keys() == {"finished"}
    eventually(lambda: len(running(growing)) == 1, START_DEADLINE, "one replica is left")
    assert growing.http.get("/readyz").status_code == 200
