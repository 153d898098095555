"""A run keeps the order, the limit of places, and its patience."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from common.batches import run
from common.batches.answers import Answer
from common.batches.lines import Line
from common.batches.run import Run, Unreachable

Handler = Callable[[httpx.Request], Any]


def lines(count: int) -> list[Line]:
    return [Line(str(number), "/v1/completions", {"number": number}) for number in range(count)]


async def answers_of(
    handler: Handler, count: int, *, places: int = 4, ahead: int = 8, **options: Any
) -> list[Answer]:
    written: list[Answer] = []
    transport = httpx.MockTransport(handler)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        runner = Run(client, asyncio.Semaphore(places), ahead, **options)
        await runner.run(iter(lines(count)), written.append)
    return written


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Returns the seconds that a run has waited before further attempts, without the waiting."""
    waited: list[float] = []
    sleep = asyncio.sleep

    async def note(seconds: float) -> None:
        waited.append(seconds)
        await sleep(0)

    monkeypatch.setattr("common.batches.run.asyncio.sleep", note)
    return waited


async def test_answers_come_in_the_order_of_the_lines_and_few_are_sent_at_once() -> None:
    turn, running, most = asyncio.Event(), 0, 0

    async def handler(request: httpx.Request) -> httpx.Response:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(20):
            await asyncio.sleep(0)
        if request.content == b'{"number":0}':
            await turn.wait()
        elif request.content == b'{"number":7}':
            turn.set()
        running -= 1
        return httpx.Response(200, json={"asked": request.content.decode()})

    written = await answers_of(handler, 30)
    assert [answer["custom_id"] for answer in written] == [str(number) for number in range(30)]
    assert written[9]["response"]["body"] == {"asked": '{"number":9}'}
    assert len({answer["id"] for answer in written}) == 30
    assert most == 4


async def test_a_slow_line_holds_back_only_as_many_as_may_be_ahead() -> None:
    begun, turn = 0, asyncio.Event()

    async def handler(request: httpx.Request) -> httpx.Response:
        nonlocal begun
        begun += 1
        if begun == 1:
            await turn.wait()
        return httpx.Response(200, json={})

    task = asyncio.create_task(answers_of(handler, 100, places=4, ahead=8))
    for _ in range(200):
        await asyncio.sleep(0)
    assert begun == 8
    turn.set()
    assert len(await task) == 100


@pytest.mark.parametrize("status", [429, 502, 503])
async def test_what_may_succeed_later_is_sent_again_when_the_service_says(
    status: int, pauses: list[float]
) -> None:
    seen: list[bytes] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request.content)
        if len(seen) < 3:
            return httpx.Response(status, headers={"retry-after": "7"})
        return httpx.Response(200, json={})

    (answer,) = await answers_of(handler, 1)
    assert answer["response"]["status_code"] == 200
    assert len(set(seen)) == 1
    assert pauses == [7, 7]


@pytest.mark.parametrize("given", ["a while", "-5", "86400"])
async def test_no_answer_makes_a_run_wait_for_hours(given: str, pauses: list[float]) -> None:
    answers = iter([httpx.Response(429, headers={"retry-after": given})])
    await answers_of(lambda _: next(answers, httpx.Response(200, json={})), 1)
    assert len(pauses) == 1
    assert all(pause <= run.LONGEST_PAUSE for pause in pauses)


async def test_errors_of_a_request_are_answers() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        error = {"error": {"code": "invalid_value"}}
        return httpx.Response(400, json=error, headers={"x-request-id": "the-id"})

    (answer,) = await answers_of(handler, 1)
    assert answer["error"] is None
    assert answer["response"] == {
        "status_code": 400,
        "request_id": "the-id",
        "body": {"error": {"code": "invalid_value"}},
    }


async def test_an_answer_without_json_is_an_error_of_its_line() -> None:
    (answer,) = await answers_of(lambda _: httpx.Response(404, text="<html>"), 1)
    assert answer["response"] is None
    assert answer["error"] == {"code": "no_json", "message": "status 404 without JSON"}


async def test_a_service_that_has_gone_ends_a_run_of_little_patience(
    pauses: list[float],
) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(Unreachable, match="refused"):
        await answers_of(handler, 50, patience=0)


async def test_without_a_limit_of_patience_a_run_waits_for_the_service(
    pauses: list[float],
) -> None:
    attempts = 0

    def handler(request: httpx.Request) -> httpx.Response:
        nonlocal attempts
        attempts += 1
        if attempts < 200:
            raise httpx.ConnectError("refused")
        return httpx.Response(200, json={})

    assert len(await answers_of(handler, 3)) == 3
