"""Work for a client that may leave, before or after the first byte, or be ended by id."""

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress

from common.errors import Cancelled, InternalError, ServiceError
from common.http.exchange import Exchange, Receive
from common.serving.generations import Generations

logger = logging.getLogger("bentoml.llm.http")


async def while_connected(
    exchange: Exchange, generations: Generations, work: Coroutine[None, None, None]
) -> None:
    """Run `work`; cancel it as soon as the client leaves. Raises Cancelled then."""
    task = asyncio.create_task(_registered(exchange.request_id, generations, work))
    watcher = asyncio.create_task(_disconnected(exchange.receive))
    try:
        await asyncio.wait((task, watcher), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise Cancelled("the client left")
    finally:
        watcher.cancel()
        if not task.done():
            task.cancel()
            with suppress(asyncio.CancelledError, Cancelled):
                await task


async def _registered(
    request_id: str, generations: Generations, work: Coroutine[None, None, None]
) -> None:
    with generations.register(request_id) as generation:
        try:
            await work
        except asyncio.CancelledError:
            if generation.error is None:
                raise
            raise generation.error from None
        except ServiceError:
            raise
        except Exception as error:
            logger.exception("request %s failed", request_id)
            raise InternalError("internal error; the log has the details") from error


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
