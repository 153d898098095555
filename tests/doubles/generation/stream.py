"""A sequence of the generator as an asynchronous iterator."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence

from tests.doubles.generation.generator import DemoGenerator
from tests.doubles.generation.options import Options, Token


async def stream(
    generator: DemoGenerator, prompt_ids: Sequence[int], options: Options
) -> AsyncGenerator[Token, None]:
    """Tokens as they are chosen; submits at the first one asked for, aborts when closed.

    Raises ValueError as `submit` does, GeneratorDied when the generator dies.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[Token | Exception] = asyncio.Queue()

    def deliver(item: Token | Exception) -> None:
        # The loop may be closed before this is aborted.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(queue.put_nowait, item)

    handle = generator.submit(prompt_ids, options, deliver)
    try:
        while True:
            item = await queue.get()
            if isinstance(item, Exception):
                raise item
            yield item
            if item.finish is not None:
                return
    finally:
        handle.abort()
