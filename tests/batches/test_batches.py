"""Batches go on after a stop, take turns, and tell it when they cannot go on."""

import asyncio
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from common.batches import store
from common.batches.batches import AT_ONCE, Batches
from common.batches.store import Batch, Store
from common.settings import Settings
from tests.limits import DEADLINE
from tests.service_process import eventually

URL = "/v1/completions"
Handler = Callable[[httpx.Request], Any]


def opened(folder: Path, handler: Handler) -> Batches:
    """Returns the batches of a folder, over a service that answers as `handler` does."""

    def client(owner: str | None) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(handler), base_url=f"http://{owner}")

    return Batches(Store(folder), Settings(batch_concurrency=3), client)


def create(batches: Batches, lines: int, owner: str = "alice") -> Batch:
    rows = [
        {"custom_id": f"n{i}", "method": "POST", "url": URL, "body": {"number": i}}
        for i in range(lines)
    ]
    source = io.BytesIO("\n".join(map(json.dumps, rows)).encode())
    return batches.create(batches.store.add_file(owner, "a", "batch", source), URL, None)


async def status(batch: Batch, wanted: str) -> None:
    await until(lambda: batch.status == wanted, f"the batch is {wanted}")


async def until(check: Callable[[], bool], what: str) -> None:
    await asyncio.to_thread(eventually, check, DEADLINE, what)


async def test_a_batch_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    asked: list[int] = []
    reached, never = asyncio.Event(), asyncio.Event()

    async def stuck_at_ten(request: httpx.Request) -> httpx.Response:
        number = orjson.loads(request.content)["number"]
        if number >= 10:
            reached.set()
            await never.wait()
        return httpx.Response(200, json={})

    async def answers(request: httpx.Request) -> httpx.Response:
        asked.append(orjson.loads(request.content)["number"])
        return httpx.Response(200, json={})

    first = opened(tmp_path, stuck_at_ten)
    batch = create(first, 20)
    await reached.wait()
    await until(lambda: batch.completed == 10, "ten lines are answered")
    await first.stop()
    second = opened(tmp_path, answers)
    (again,) = second.store.batches("alice")
    second.start()
    await status(again, "completed")
    assert sorted(asked) == [*range(10, 20)]
    assert (again.total, again.completed, again.failed) == (20, 20, 0)
    assert again.error_file_id is None
    whole = second.store.content(again.output_file_id or "").read_bytes().splitlines()
    assert [orjson.loads(line)["custom_id"] for line in whole] == [f"n{i}" for i in range(20)]
    assert not second.store.answers(again.id).exists()
    await second.stop()


def rows(batches: Batches, file_id: str | None) -> list[Any]:
    written = batches.store.content(file_id or "").read_bytes()
    return [orjson.loads(row) for row in written.splitlines()]


async def test_a_batch_expires_with_the_answers_that_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "WINDOW", 1)
    never = asyncio.Event()

    async def stuck_at_ten(request: httpx.Request) -> httpx.Response:
        if orjson.loads(request.content)["number"] >= 10:
            await never.wait()
        return httpx.Response(200, json={})

    batches = opened(tmp_path, stuck_at_ten)
    batch = create(batches, 20)
    await status(batch, "expired")
    assert (batch.total, batch.completed + batch.failed) == (20, 20)
    assert batch.times["expired"] >= batch.expires_at == batch.created_at + 1
    errors = rows(batches, batch.error_file_id)
    assert len(errors) == batch.failed >= 10
    assert {(each["error"]["code"], each["response"]) for each in errors} == {
        ("batch_expired", None)
    }
    assert [each["custom_id"] for each in errors] == [f"n{i}" for i in range(batch.completed, 20)]
    await batches.stop()


async def test_a_batch_expires_while_its_service_is_down(tmp_path: Path) -> None:
    reached, never = asyncio.Event(), asyncio.Event()

    async def stuck_at_ten(request: httpx.Request) -> httpx.Response:
        if orjson.loads(request.content)["number"] >= 10:
            reached.set()
            await never.wait()
        return httpx.Response(200, json={})

    first = opened(tmp_path, stuck_at_ten)
    batch = create(first, 20)
    await reached.wait()
    await until(lambda: batch.completed == 10, "ten lines are answered")
    batch.created_at -= store.WINDOW
    first.store.save(batch)
    await first.stop()
    second = opened(tmp_path, stuck_at_ten)
    (again,) = second.store.batches("alice")
    second.start()
    await status(again, "expired")
    assert (again.completed, again.failed) == (10, 10)
    assert [each["custom_id"] for each in rows(second, again.output_file_id)] == [
        f"n{i}" for i in range(10)
    ]
    assert len(rows(second, again.error_file_id)) == 10
    await second.stop()


async def test_so_many_batches_run_at_once_and_the_others_follow(tmp_path: Path) -> None:
    asked: set[str] = set()
    turn = asyncio.Event()

    async def waits(request: httpx.Request) -> httpx.Response:
        asked.add(request.url.host)
        await turn.wait()
        return httpx.Response(200, json={})

    batches = opened(tmp_path, waits)
    created = [create(batches, 1, f"owner-{i}") for i in range(AT_ONCE + 2)]
    for each in created[:AT_ONCE]:
        await status(each, "in_progress")
    assert [each.status for each in created[AT_ONCE:]] == ["validating"] * 2
    batches.cancel(created[-1])
    await status(created[-1], "cancelled")
    turn.set()
    for each in created[:-1]:
        await status(each, "completed")
    assert len(asked) == AT_ONCE + 1
    await batches.stop()


async def test_a_batch_that_cannot_go_on_fails_and_is_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    batches = opened(tmp_path, lambda _: httpx.Response(200, json={}))
    batch = create(batches, 3)
    batches.store.content(batch.input_file_id).unlink()
    await status(batch, "failed")
    assert "FileNotFoundError" in batch.errors[0]["message"]
    assert batch.id in caplog.text
    await batches.stop()
