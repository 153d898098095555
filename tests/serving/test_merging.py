"""Several streams as one."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from common.serving.merging import merge


class Streams:
    """Numbered streams that record whether they were closed."""

    def __init__(self) -> None:
        self.open = 0

    async def items(
        self, *values: int, error: Exception | None = None
    ) -> AsyncGenerator[int, None]:
        self.open += 1
        try:
            for value in values:
                await asyncio.sleep(0)
                yield value
            if error is not None:
                raise error
        finally:
            self.open -= 1

    async def endless(self) -> AsyncGenerator[int, None]:
        self.open += 1
        try:
            while True:
                await asyncio.sleep(0)
                yield 0
        finally:
            self.open -= 1

    async def silent(self) -> AsyncGenerator[int, None]:
        self.open += 1
        try:
            await asyncio.Event().wait()
            yield 0
        finally:
            self.open -= 1


async def test_every_item_comes_and_each_stream_keeps_its_order() -> None:
    streams = Streams()
    items = [
        i async for i in merge([streams.items(1, 2, 3), streams.items(10, 20), streams.items()])
    ]
    assert sorted(items) == [1, 2, 3, 10, 20]
    assert [i for i in items if i < 10] == [1, 2, 3]
    assert [i for i in items if i >= 10] == [10, 20]
    assert streams.open == 0


async def test_an_error_of_one_stream_ends_all() -> None:
    streams = Streams()
    merged = merge(
        [streams.endless(), streams.items(1, error=KeyError("broken")), streams.silent()]
    )
    with pytest.raises(KeyError, match="broken"):
        async for _ in merged:
            pass
    assert streams.open == 0


async def test_items_before_an_error_are_not_lost() -> None:
    streams = Streams()
    items = []
    merged = merge([streams.items(1, 2, error=KeyError())])
    items.append(await anext(merged))
    items.append(await anext(merged))
    with pytest.raises(KeyError):
        await anext(merged)
    assert items == [1, 2]


async def test_closing_closes_every_stream() -> None:
    streams = Streams()
    merged = merge([streams.endless(), streams.silent(), streams.endless()])
    await anext(merged)
    await asyncio.sleep(0)
    await merged.aclose()
    assert streams.open == 0


async def test_cancelling_the_reader_closes_every_stream() -> None:
    streams = Streams()

    async def read() -> None:
        async for _ in merge([streams.silent(), streams.silent()]):
            pass

    task = asyncio.create_task(read())
    await asyncio.wait([task], timeout=0.01)
    assert streams.open == 2
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert streams.open == 0


async def test_a_slow_reader_holds_the_streams_back() -> None:
    generated = 0

    async def count() -> AsyncGenerator[int, None]:
        nonlocal generated
        while True:
            generated += 1
            yield generated

    merged = merge([count()])
    await anext(merged)
    for _ in range(50):
        await asyncio.sleep(0)
    assert generated < 10
    await merged.aclose()
