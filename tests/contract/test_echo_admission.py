"""Slots of the engine, the queue before them, and refusals: on Echo, whose timing is settable."""

import asyncio
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.conftest import EchoFactory
from tests.contract.support import (
    CHAT,
    COMPLETIONS,
    GENERATE,
    MESSAGES,
    RESPONSES,
    SILENT,
    SILENT_SERVICE,
    Samples,
    assert_error,
    body_for,
    expect_idle,
    expect_outcomes,
)
from tests.limits import DEADLINE
from tests.service_process import Service, eventually


@pytest.fixture
def silent(echo_service: EchoFactory) -> Service:
    return echo_service(**SILENT_SERVICE)


@pytest.fixture
async def client(silent: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=silent.url, timeout=DEADLINE) as client:
        yield client


async def gauge(service: Service, name: str, value: float) -> None:
    def reached() -> bool:
        return Samples(service)[name] == value

    await asyncio.to_thread(eventually, reached, 5, f"{name} is {value:g}")


async def leave(*tasks: asyncio.Task[httpx.Response]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def send(client: httpx.AsyncClient, path: str, **fields: object) -> asyncio.Task[httpx.Response]:
    return asyncio.create_task(client.post(path, json=body_for(path, "Hello", **fields)))


@pytest.mark.parametrize("path", [GENERATE, CHAT, COMPLETIONS, MESSAGES, RESPONSES])
async def test_a_full_queue_is_refused_at_once_with_retry_after(
    echo_service: EchoFactory, path: str
) -> None:
    service = echo_service(**{**SILENT_SERVICE, "queue_timeout": 60})
    before = Samples(service)
    async with httpx.AsyncClient(base_url=service.url, timeout=DEADLINE) as client:
        runs = send(client, GENERATE)
        await gauge(service, "requests_running", 1)
        waits = send(client, CHAT)
        await gauge(service, "requests_waiting", 1)
        response = await send(client, path)
        assert_error(response, 429, "overloaded")
        assert int(response.headers["retry-after"]) >= 1
        expect_outcomes(service, before, rejected=1)
        refused = Samples(service).counts("refusals", "status")
        refused.subtract(before.counts("refusals", "status"))
        assert refused == {"429": 1, "503": 0}
        await leave(runs, waits)
    expect_idle(service)


async def test_waiting_too_long_is_a_503_with_retry_after(
    silent: Service, client: httpx.AsyncClient
) -> None:
    before = Samples(silent)
    runs = send(client, GENERATE)
    await gauge(silent, "requests_running", 1)
    start = time.monotonic()
    response = await send(client, CHAT)
    assert time.monotonic() - start > 0.95
    assert "1 seconds" in assert_error(response, 503, "overloaded")
    assert int(response.headers["retry-after"]) >= 1
    expect_outcomes(silent, before, rejected=1)
    refused = Samples(silent).counts("refusals", "status")
    assert refused["503"] == before.counts("refusals", "status")["503"] + 1
    await leave(runs)
    expect_idle(silent)


async def test_health_and_models_answer_while_the_engine_is_full(
    silent: Service, client: httpx.AsyncClient
) -> None:
    runs = send(client, GENERATE)
    await gauge(silent, "requests_running", 1)
    for path in ("/livez", "/readyz", "/healthz", "/v1/models", "/metrics"):
        assert (await client.get(path)).status_code == 200
    await leave(runs)
    expect_idle(silent)


async def test_requests_are_admitted_in_the_order_in_which_they_came(
    echo_service: EchoFactory,
) -> None:
    service = echo_service(engine_args={"itl": 0.002}, max_concurrency=1)
    done: list[int] = []

    async def ask(client: httpx.AsyncClient, number: int) -> None:
        assert (await send(client, GENERATE, max_tokens=30)).status_code == 200
        done.append(number)

    async with httpx.AsyncClient(base_url=service.url, timeout=DEADLINE) as client:
        first = send(client, GENERATE, max_tokens=300)
        await gauge(service, "requests_running", 1)
        tasks = []
        for number in range(4):
            tasks.append(asyncio.create_task(ask(client, number)))
            await gauge(service, "requests_waiting", number + 1)
        await asyncio.gather(first, *tasks)
    assert done == [0, 1, 2, 3]


async def test_n_answers_take_n_slots(echo_service: EchoFactory) -> None:
    service = echo_service(engine_args=SILENT, max_concurrency=3, max_queue=0)
    async with httpx.AsyncClient(base_url=service.url, timeout=DEADLINE) as client:
        runs = send(client, CHAT, n=2)
        await gauge(service, "requests_running", 2)
        assert_error(await send(client, CHAT, n=2), 429, "overloaded")
        fits = send(client, CHAT)
        await gauge(service, "requests_running", 3)
        await leave(runs, fits)
    expect_idle(service)


async def test_more_prompts_than_slots_are_refused(echo_service: EchoFactory) -> None:
    service = echo_service(engine_args=SILENT, max_concurrency=3, max_queue=0)
    response = service.http.post(COMPLETIONS, json={"prompt": ["a"] * 4})
    assert "3" in assert_error(response, 400, "invalid_value", "prompt")


async def test_many_streams_at_once_all_complete(echo_service: EchoFactory) -> None:
    service = echo_service(engine_args={"itl": 0.002}, max_concurrency=1)
    limits = httpx.Limits(max_connections=30)
    async with httpx.AsyncClient(base_url=service.url, timeout=DEADLINE, limits=limits) as client:
        answers = await asyncio.gather(*(send(client, GENERATE, max_tokens=8) for _ in range(30)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    expect_idle(service)
