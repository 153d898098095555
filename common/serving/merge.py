"""Several asynchronous streams as one, in the order in which their items come."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import TypeVar

T = TypeVar("T")


class _End:
    """A stream is over, by itself or by an exception."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error


async def merge(streams: Sequence[AsyncGenerator[T, None]]) -> AsyncGenerator[T, None]:
    """The first exception of any stream ends all; closing this closes all."""
    queue: asyncio.Queue[T | _End] = asyncio.Queue(maxsize=len(streams))

    async def drain(stream: AsyncGenerator[T, None]) -> None:
        try:
            async for item in stream:
                await queue.put(item)
        except Exception as error:
            await queue.put(_End(error))
        else:
            await queue.put(_End())
        finally:
            await stream.aclose()

    tasks = [asyncio.create_task(drain(stream)) for stream in streams]
    try:
        left = len(tasks)
        while left:
            item = await queue.get()
            if not isinstance(item, _End):
                yield item
            elif item.error is not None:
                raise item.error
            else:
                left -= 1
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
