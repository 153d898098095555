"""An app on a cluster of two nodes, a replica on each: used by its address, then with a node killed
under load. The tests build on each other's state, in their order."""

import asyncio

import httpx
import pytest

from tests.contract.support import CHAT, Body, answer, chat, model_card, text_of, user
from tests.limits import DEADLINE
from tests.ray_serve.conftest import TwoNodes
from tests.ray_serve.replicas import answers
from tests.ray_serve.streams import PROMPT, STREAMS, load
from tests.service_process import START_DEADLINE, Service, eventually, start_service

AFTER = 5 * 2 * STREAMS
"""Answers that finish after the kill: about five of each client."""
TABLES = range(2, 8)
EARLIER = 3
"""Answers to what was asked before, at most, that the series may count later."""
BLOCK = 128
"""Tokens: the least that vLLM keeps for other prompts, on a CPU."""
FRANCE = "The capital of France is Paris."


@pytest.fixture(scope="module")
def app_url(on_two_nodes: Service, two_nodes: TwoNodes) -> str:
    """Where the app is, by Serve's own list of routes."""
    (route,) = httpx.get(f"{two_nodes.serve_url}/-/routes").json()
    return f"{two_nodes.serve_url}{route}"


def test_a_running_app_serves_by_its_address(app_url: str) -> None:
    with start_service("ray_serve", engine_url=app_url) as service:
        card = model_card(service)
        assert card["backend"] == "ray_serve"
        assert text_of(answer(service, CHAT, PROMPT, temperature=0)) == FRANCE
        assert service.http.get("/readyz").status_code == 200


def table(number: int) -> list[Body]:
    """Returns a conversation that is longer than what vLLM keeps for other prompts."""
    pairs = [(f"{number} times {other}", number * other) for other in range(2, 10)]
    return [
        message
        for what, result in pairs
        for message in (
            {"role": "user", "content": f"What is {what}?"},
            {"role": "assistant", "content": f"{what} is {result}."},
        )
    ]


def test_prompts_that_begin_alike_are_answered_by_the_replica_that_knows_them(
    on_two_nodes: Service,
) -> None:
    before = answers(on_two_nodes)
    for number in TABLES:
        for country, city in (("France", "Paris"), ("Italy", "Rome")):
            question = user(f"What is the capital of {country}?")
            body = chat(on_two_nodes, table(number) + question)
            assert text_of(body) == f"The capital of {country} is {city}."
            cached = body["usage"]["prompt_tokens_details"]["cached_tokens"]
            assert (cached >= BLOCK) == (country == "Italy")

    def spread() -> bool:
        each = answers(on_two_nodes) - before
        return len(each) == 2 and min(each.values()) > EARLIER

    eventually(spread, DEADLINE, "new beginnings are spread over the replicas")


async def test_a_killed_node_cuts_some_requests_which_are_told_and_the_others_go_on(
    on_two_nodes: Service, two_nodes: TwoNodes
) -> None:
    async with load(on_two_nodes) as running:
        await asyncio.wait_for(running.warm.wait(), START_DEADLINE)
        assert running.outcomes.keys() == {"finished"}
        await asyncio.wait_for(running.busy.wait(), START_DEADLINE)
        await asyncio.to_thread(two_nodes.kill_second)
        before = running.outcomes["finished"]

        def goes_on() -> bool:
            return running.outcomes["finished"] >= before + AFTER

        def is_ready() -> bool:
            return on_two_nodes.http.get("/readyz").status_code == 200

        await asyncio.to_thread(eventually, goes_on, START_DEADLINE, "the others go on")
        # A probe that was on its way to the killed node fails once.
        await asyncio.to_thread(eventually, is_ready, DEADLINE, "the service is ready again")
    print(f"{running.outcomes}, {before} of them before the kill")
    assert running.outcomes["silent"] == 0
    assert running.outcomes["errors"] > 0


def test_a_stopped_service_takes_its_app_off_the_cluster(
    on_two_nodes: Service, two_nodes: TwoNodes
) -> None:
    routes = f"{two_nodes.serve_url}/-/routes"
    assert httpx.get(routes).json() != {}
    on_two_nodes.stop()
    eventually(lambda: httpx.get(routes).json() == {}, DEADLINE, "the app is gone from the cluster")
